import Testing

@testable import VkdynImage

@Suite struct ResamplingTests {
    /// Waves that are steep enough for cubic weights to leave 0 to 255.
    private func picture(_ width: Int, _ height: Int) -> Image {
        Image(
            width: width, height: height,
            pixels: (0..<width * height * 3).map { UInt8(truncatingIfNeeded: $0 &* $0 &* 31 ^ $0 >> 3) })
    }

    @Test(arguments: ResamplingFilter.allCases) func theSameSizeChangesNothing(filter: ResamplingFilter) {
        let image = picture(13, 7)
        #expect(image.resized(width: 13, height: 7, filter: filter) == image)
    }

    @Test(arguments: ResamplingFilter.allCases) func oneColourStays(filter: ResamplingFilter) {
        let color = Color(red: 255, green: 1, blue: 77)
        for (width, height) in [(1, 1), (5, 3), (200, 31)] {
            let image = Image(width: 17, height: 29, color: color).resized(width: width, height: height, filter: filter)
            #expect(image == Image(width: width, height: height, color: color))
        }
    }

    @Test(arguments: ResamplingFilter.allCases) func aWindowIsAPartOfTheWhole(filter: ResamplingFilter) {
        let image = picture(41, 37)
        for (width, height) in [(19, 23), (41, 80), (90, 37), (7, 5), (41, 37), (38, 5), (41, 9), (60, 9)] {
            let whole = image.resized(width: width, height: height, filter: filter)
            for window in [
                Rectangle(x: 0..<1, y: 0..<1), Rectangle(x: width - 1..<width, y: height - 1..<height),
                Rectangle(x: 2..<6, y: 1..<4),
            ] {
                let part = image.resized(width: width, height: height, filter: filter, window: window)
                #expect(part == whole.crop(columns: window.x, rows: window.y))
            }
        }
    }

    /// The formula in double precision, without windows and fixed point: at most the rounding of each pass apart. The
    /// clamping of what the first pass gives depends on which pass that is.
    @Test(arguments: ResamplingFilter.allCases) func pixelsAreTheConvolution(filter: ResamplingFilter) {
        let image = picture(23, 19)
        for (width, height) in [(11, 7), (40, 33), (22, 7), (40, 7)] {
            let resized = image.resized(width: width, height: height, filter: filter)
            func weights(_ position: Int, _ old: Int, _ new: Int) -> [Double] {
                let scale = Double(old) / Double(new)
                let weights = (0..<old).map { index in
                    filter.weight((Double(index) + 0.5 - (Double(position) + 0.5) * scale) / max(scale, 1))
                }
                return weights.map { $0 / weights.reduce(0, +) }
            }
            func clampedSum(_ weights: [Double], _ value: (Int) -> Double) -> Double {
                min(max(weights.indices.reduce(0) { $0 + weights[$1] * value($1) }, 0), 255)
            }
            let isDownFirst = height < 19 && 2 * (23 - width) < 19 - height
            for y in 0..<height {
                let down = weights(y, 19, height)
                for x in 0..<width {
                    let across = weights(x, 23, width)
                    let exact =
                        isDownFirst
                        ? clampedSum(across) { x in clampedSum(down) { Double(image[x, $0].green) } }
                        : clampedSum(down) { y in clampedSum(across) { Double(image[$0, y].green) } }
                    // Half a step in the first pass, stretched by negative weights, and half in the second.
                    #expect(abs(Double(resized[x, y].green) - exact) <= 1.2)
                }
            }
        }
    }

    /// A long, thin picture that a checkpoint makes 224 pixels high is 3,670,016 pixels wide in between.
    @Test func aThinPictureIsPreparedWithoutItsWhole() {
        let image = Image(width: Image.sideLimit, height: 1, color: Color(gray: 51))
        let preprocessing = ImagePreprocessing(
            resizing: .shorterSide(224), filter: .bicubic, crop: .init(width: 224, height: 224, centering: .nearestEven)
        )
        let tensor = preprocessing.tensor(of: image)
        #expect(tensor.values == [Float](repeating: 0.2, count: 3 * 224 * 224))
    }

    @Test func cropsAreCentred() {
        typealias Centering = ImagePreprocessing.Crop.Centering
        // Halves go to the even number, and down.
        #expect([9, 10, 11, 12].map { Centering.nearestEven.start($0, 8) } == [0, 1, 2, 2])
        #expect([9, 10, 11, 12].map { Centering.down.start($0, 8) } == [0, 1, 1, 2])
        #expect([7, 6, 5].map { Centering.nearestEven.start($0, 8) } == [0, -1, -1])
        #expect([7, 6, 5].map { Centering.down.start($0, 8) } == [-1, -1, -2])
    }
}
