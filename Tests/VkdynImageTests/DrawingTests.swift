import Testing

@testable import VkdynImage

@Suite struct DrawingTests {
    /// The picture as rows of text: `#` where it is black.
    private func rows(_ image: Image) -> [String] {
        (0..<image.height).map { y in
            String((0..<image.width).map { image[$0, y] == .black ? "#" : "." as Character })
        }
    }

    private func paper(_ width: Int, _ height: Int) -> Image { Image(width: width, height: height, color: .white) }

    @Test func rectanglesAreFilledWithinThePicture() {
        var image = paper(5, 3)
        image.fill(Rectangle(x: -2, y: 1, width: 4, height: 9), with: .black)
        image.fill(Rectangle(x: 7, y: 0, width: 2, height: 1), with: .black)
        image.fill(Rectangle(x: 4, y: -3, width: 1, height: 2), with: .black)
        #expect(rows(image) == [".....", "##...", "##..."])
    }

    @Test func outlinesAreDrawnInside() {
        var image = paper(7, 6)
        image.outline(Rectangle(x: 1, y: 1, width: 5, height: 4), with: .black)
        #expect(rows(image) == [".......", ".#####.", ".#...#.", ".#...#.", ".#####.", "......."])
        image = paper(7, 6)
        image.outline(Rectangle(x: 0, y: 0, width: 7, height: 5), thickness: 2, with: .black)
        #expect(rows(image) == ["#######", "#######", "##...##", "#######", "#######", "......."])
    }

    @Test func imagesAreCutAtTheEdges() {
        let stamp = Image(width: 3, height: 3, color: .black)
        var image = paper(5, 4)
        image.draw(stamp, x: -2, y: -1)
        image.draw(stamp, x: 4, y: 2)
        image.draw(stamp, x: 9, y: 9)
        image.draw(stamp, x: -3, y: 0)
        #expect(rows(image) == ["#....", "#....", "....#", "....#"])
    }

    @Test func sheetsKeepTheirPartsApart() {
        let parts = [Image(width: 2, height: 1, color: .black), Image(width: 1, height: 2, color: .black)]
        #expect(rows(Image.row(parts, gap: 1)) == ["##.#", "...#"])
        #expect(rows(Image.column(parts, gap: 1)) == ["##", "..", "#.", "#."])
        #expect(Image.row(parts) == Image.row(parts, gap: 0))
    }

    @Test func textIsDrawnByDots() {
        var image = paper(12, 18)
        image.draw("Ty\n!", x: 0, y: 0, color: .black)
        #expect(
            rows(image) == [
                "#####.......", "..#.........", "..#...#...#.", "..#...#...#.", "..#...#...#.", "..#....####.",
                "..#.......#.", ".......###..", "............", "............", "..#.........", "..#.........",
                "..#.........", "..#.........", "..#.........", "............", "..#.........", "............",
            ])
    }

    @Test func textFillsItsSizeAndNoMore() {
        for (text, scale) in [("8", 1), ("g\nMMM", 3), ("_", 2)] {
            let size = Image.textSize(text, scale: scale)
            var image = paper(size.width + 2, size.height + 2)
            image.draw(text, x: 1, y: 1, scale: scale, color: .black)
            let rows = rows(image)
            let columns = rows.flatMap { $0.enumerated().filter { $0.element == "#" }.map(\.offset) }
            #expect(columns.min().map { $0 >= 1 } == true && columns.max() == size.width)
            #expect(!rows[0].contains("#") && !rows[size.height + 1].contains("#"))
        }
        #expect(Image.textSize("") == (0, 8))
    }

    @Test func everyLetterHasALookOfItsOwn() {
        let letters = (32...126).compactMap(UnicodeScalar.init).map(Character.init)
        let looks = Set(letters.map { Array(PixelFont.rows(of: $0)) })
        #expect(looks.count == 95)
        #expect(!looks.contains(Array(PixelFont.rows(of: "é"))))
        #expect(PixelFont.rows(of: "é") == PixelFont.rows(of: "熊"))
    }
}
