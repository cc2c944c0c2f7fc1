import Foundation

/// How far a picture is from another of the same size.
extension Image {
    /// The peak signal-to-noise ratio in decibels: 10·log₁₀(255²/e) for the mean squared difference e over all pixels
    /// and channels. Infinite for equal pictures.
    public func peakSignalToNoiseRatio(to other: Image) -> Double {
        requireSize(of: other)
        // Exact: below 2⁵³ for any picture.
        let total = zip(pixels, other.pixels).reduce(0) { sum, pair in
            let difference = Int(pair.0) - Int(pair.1)
            return sum + difference * difference
        }
        return 10 * log10(255 * 255 / (Double(total) / Double(pixels.count)))
    }

    /// The structural similarity index of Wang, Bovik, Sheikh and Simoncelli (IEEE Transactions on Image Processing
    /// 13(4), 2004): the mean over red, green and blue and over all places where a window of 11 × 11 pixels fits, with
    /// Gaussian weights of σ = 1.5, K₁ = 0.01, K₂ = 0.03 and a range of 255. 1 for equal pictures.
    /// - Returns: nil where a side is shorter than the window.
    public func structuralSimilarity(to other: Image) -> Double? {
        requireSize(of: other)
        let size = Self.windowSize
        guard width >= size, height >= size else { return nil }
        let bell = (0..<size).map { place in
            let distance = Double(place - size / 2)
            return exp(-distance * distance / (2 * 1.5 * 1.5))
        }
        let weights = bell.map { $0 / bell.reduce(0, +) }
        let (c1, c2) = (2.55 * 2.55, 7.65 * 7.65)
        var total = 0.0
        for channel in 0..<3 {
            let a = stride(from: channel, to: pixels.count, by: 3).map { Double(pixels[$0]) }
            let b = stride(from: channel, to: pixels.count, by: 3).map { Double(other.pixels[$0]) }
            let (meanA, meanB) = (windowed(a, weights), windowed(b, weights))
            let squareA = windowed(a.map { $0 * $0 }, weights)
            let squareB = windowed(b.map { $0 * $0 }, weights)
            let product = windowed(zip(a, b).map { $0 * $1 }, weights)
            var sum = 0.0
            for place in meanA.indices {
                let (x, y) = (meanA[place], meanB[place])
                let variances = squareA[place] - x * x + squareB[place] - y * y
                let covariance = product[place] - x * y
                sum += (2 * x * y + c1) * (2 * covariance + c2) / ((x * x + y * y + c1) * (variances + c2))
            }
            total += sum / Double(meanA.count)
        }
        return total / 3
    }

    private static let windowSize = 11

    private func requireSize(of other: Image) {
        precondition(width == other.width && height == other.height, "pictures of different sizes")
    }

    /// The weighted means of all windows that fit: along rows, then along columns.
    /// - Parameter values: [height, width].
    /// - Returns: [height − 10, width − 10].
    private func windowed(_ values: [Double], _ weights: [Double]) -> [Double] {
        let (columns, rows) = (width - weights.count + 1, height - weights.count + 1)
        var alongRows = [Double](repeating: 0, count: height * columns)
        for y in 0..<height {
            for x in 0..<columns {
                var sum = 0.0
                for offset in weights.indices { sum += weights[offset] * values[y * width + x + offset] }
                alongRows[y * columns + x] = sum
            }
        }
        var means = [Double](repeating: 0, count: rows * columns)
        for y in 0..<rows {
            for offset in weights.indices {
                for x in 0..<columns {
                    means[y * columns + x] += weights[offset] * alongRows[(y + offset) * columns + x]
                }
            }
        }
        return means
    }
}
