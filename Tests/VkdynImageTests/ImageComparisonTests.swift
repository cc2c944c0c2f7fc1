import Foundation
import Testing

@testable import VkdynImage

/// PSNR and SSIM against their formulas, taken window by window.
@Suite struct ImageComparisonTests {
    private func picture(_ width: Int, _ height: Int, _ value: (Int, Int, Int) -> Double) -> Image {
        var pixels: [UInt8] = []
        for y in 0..<height {
            for x in 0..<width {
                for channel in 0..<3 { pixels.append(UInt8(min(max(value(x, y, channel), 0), 255).rounded())) }
            }
        }
        return Image(width: width, height: height, pixels: pixels)
    }

    private func wave(_ width: Int, _ height: Int) -> Image {
        picture(width, height) { x, y, c in 128 + 100 * sin(Double(x) / 3 + Double(c)) * cos(Double(y) / 5) }
    }

    @Test func peakSignalToNoiseRatioIsItsFormula() {
        let a = Image(width: 4, height: 2, color: Color(gray: 100))
        #expect(a.peakSignalToNoiseRatio(to: a) == .infinity)
        // Every value off by 5: e = 25.
        let b = Image(width: 4, height: 2, color: Color(gray: 105))
        #expect(abs(a.peakSignalToNoiseRatio(to: b) - 34.1514) < 1e-4)
        let black = Image(width: 4, height: 2, color: .black)
        #expect(black.peakSignalToNoiseRatio(to: Image(width: 4, height: 2, color: .white)) == 0)
        // One channel of one of eight pixels off by 100: e = 10,000/24.
        var c = a
        c[3, 1] = Color(red: 100, green: 200, blue: 100)
        #expect(abs(a.peakSignalToNoiseRatio(to: c) - 10 * log10(65025 * 24 / 10_000)) < 1e-9)
        #expect(c.peakSignalToNoiseRatio(to: a) == a.peakSignalToNoiseRatio(to: c))
    }

    @Test func structuralSimilarityIsItsFormula() throws {
        let a = wave(23, 17)
        let b = picture(23, 17) { x, y, c in Double(a.pixels[(y * 23 + x) * 3 + c]) + Double((x * 7 + y * 13) % 31) - 12
        }
        var (total, count) = (0.0, 0)
        for channel in 0..<3 {
            for top in 0...6 {
                for left in 0...12 {
                    var (weight, x, y, xx, yy, xy) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
                    for row in 0..<11 {
                        for column in 0..<11 {
                            let w = exp(-(pow(Double(row) - 5, 2) + pow(Double(column) - 5, 2)) / 4.5)
                            let index = ((top + row) * 23 + left + column) * 3 + channel
                            let (p, q) = (Double(a.pixels[index]), Double(b.pixels[index]))
                            weight += w
                            x += w * p
                            y += w * q
                            xx += w * p * p
                            yy += w * q * q
                            xy += w * p * q
                        }
                    }
                    (x, y) = (x / weight, y / weight)
                    let luminance = (2 * x * y + 6.5025) / (x * x + y * y + 6.5025)
                    let structure =
                        (2 * (xy / weight - x * y) + 58.5225) / (xx / weight - x * x + yy / weight - y * y + 58.5225)
                    total += luminance * structure
                    count += 1
                }
            }
        }
        let found = try #require(a.structuralSimilarity(to: b))
        #expect(abs(found - total / Double(count)) < 1e-9)
        #expect(found > 0.5 && found < 0.99)
        #expect(b.structuralSimilarity(to: a) == found)
    }

    @Test func equalPicturesAreFullySimilar() throws {
        let a = wave(40, 30)
        #expect(try #require(a.structuralSimilarity(to: a)) == 1)
        let negative = picture(40, 30) { x, y, c in 255 - Double(a.pixels[(y * 40 + x) * 3 + c]) }
        #expect(try #require(a.structuralSimilarity(to: negative)) < 0)
    }

    @Test func aPictureSmallerThanTheWindowHasNoSimilarity() {
        let a = Image(width: 10, height: 40, color: .black)
        #expect(a.structuralSimilarity(to: a) == nil)
        let b = Image(width: 11, height: 11, color: .black)
        #expect(b.structuralSimilarity(to: b) == 1)
    }
}
