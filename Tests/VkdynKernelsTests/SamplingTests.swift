import Foundation
import Testing
import VkdynCore

@testable import VkdynKernels

/// Distributions over many draws; seeds are fixed, so a test that passes once passes always.
@Suite struct SamplingTests {
    private static let drawCount = 200_000

    @Test(arguments: [
        [0.1, 0.2, 0.3, 0.05, 0.35], [0.999, 0.001], [0.5, 0, 0.25, 0.25], [0.9, 0.05, 0.03, 0.015, 0.004, 0.001],
    ])
    func categoricalDrawsItsProbabilities(_ probabilities: [Double]) {
        let row = probabilities.map(Float.init)
        let counts = drawCategorical(Array(repeating: row, count: Self.drawCount), stream: .draft, seed: 11)
        #expect(chiSquare(counts, probabilities) < chiSquareLimits[probabilities.count - 2])
    }

    private func drawCategorical(_ rows: [[Float]], stream: RandomStream, seed: UInt32) -> [Int] {
        let width = rows[0].count
        let count = UInt32(rows.count)
        let result = TwinCall<Categorical>(
            .init(
                rows: .structure(RowCount(count: count, capacity: count)), probabilities: .floats(rows.flatMap { $0 }),
                positions: .words((0..<count).map { $0 }),
                sampling: .structure(SamplingParameters(temperature: 1, topP: 1, seedLow: seed, seedHigh: 5)),
                result: .unwritten(rows.count, as: .u32)),
            .init(rowCapacity: count, width: UInt32(width), stream: stream.rawValue)
        ).run().words("result")
        return (0..<width).map { token in result.count { $0 == UInt32(token) } }
    }

    @Test(arguments: [
        [0, 1, 2, -1, 0.5], [3, 3, 3, 3], [8, 0, 1, 2, 0, 0, 0], [-500, -501, -.infinity, -503, -500.5], [0, -9],
    ] as [[Float]])
    func gumbelArgmaxDrawsSoftmax(_ logits: [Float]) {
        let count = UInt32(Self.drawCount)
        let result = TwinCall<GumbelArgmax>(
            .init(
                rows: .structure(RowCount(count: count, capacity: count)),
                logits: .floats((0..<count).flatMap { _ in logits }), positions: .words((0..<count).map { $0 }),
                sampling: .structure(SamplingParameters(temperature: 1, topP: 1, seedLow: 3, seedHigh: 9)),
                result: .unwritten(Int(count), as: .u32)),
            .init(rowCapacity: count, width: UInt32(logits.count))
        ).run().words("result")
        let counts = logits.indices.map { token in result.count { $0 == UInt32(token) } }
        let weights = logits.map { exp(Double($0) - Double(logits.max()!)) }
        let total = weights.reduce(0, +)
        #expect(chiSquare(counts, weights.map { $0 / total }) < chiSquareLimits[logits.count - 2])
    }

    /// Noise is fine enough that many rare tokens keep their share.
    @Test func gumbelArgmaxKeepsTheTail() {
        let (width, draws) = (30_001, 600)
        // Half the mass on token 0, half spread over 30,000 tokens.
        var logits = [Float](repeating: 0, count: width)
        logits[0] = Float(log(30_000.0))
        let result = TwinCall<GumbelArgmax>(
            .init(
                rows: .structure(RowCount(count: UInt32(draws), capacity: UInt32(draws))),
                logits: .floats((0..<draws).flatMap { _ in logits }), positions: .words((0..<UInt32(draws)).map { $0 }),
                sampling: .structure(SamplingParameters(temperature: 1, topP: 1, seedLow: 3, seedHigh: 10)),
                result: .unwritten(draws, as: .u32)),
            .init(rowCapacity: UInt32(draws), width: UInt32(width))
        ).run().words("result")
        let head = result.count { $0 == 0 }
        #expect(chiSquare([head, draws - head], [0.5, 0.5]) < chiSquareLimits[0])
        // The tail's draws spread: 300 draws of 30,000 tokens meet once or twice.
        let tail = result.filter { $0 != 0 }
        #expect(Set(tail).count > tail.count - 10)
    }

    /// Positions and tokens give the noise, rows and batches do not.
    @Test func gumbelArgmaxIgnoresTheBatch() {
        var random = CaseGenerator(seed: 8)
        let width = 37
        let logits = random.floats(6 * width, scale: 4)
        let positions: [UInt32] = [4, 9, 5, 4, 100, 9]
        func sample(_ rows: [Int]) -> [UInt32] {
            TwinCall<GumbelArgmax>(
                .init(
                    rows: .structure(RowCount(count: UInt32(rows.count), capacity: UInt32(rows.count))),
                    logits: .floats(rows.flatMap { logits[$0 * width..<($0 + 1) * width] }),
                    positions: .words(rows.map { positions[$0] }),
                    sampling: .structure(SamplingParameters(temperature: 1, topP: 1, seedLow: 1, seedHigh: 2)),
                    result: .unwritten(rows.count, as: .u32)),
                .init(rowCapacity: UInt32(rows.count), width: UInt32(width))
            ).run().words("result")
        }
        #expect(sample([0, 1, 2, 3, 4, 5]) == (0..<6).map { sample([$0])[0] })
    }

    @Test func categoricalFallsBackToArgmax() {
        #expect(drawCategorical([[0, 0, 1e-12, 1e-11]], stream: .draft, seed: 1) == [0, 0, 0, 1])
        #expect(drawCategorical([[.nan, -1, -0.5, -2]], stream: .draft, seed: 1) == [0, 0, 1, 0])
    }

    @Test func scalesThrough128Bits() {
        var random = CaseGenerator(seed: 3)
        for _ in 0..<1000 {
            let total = random.next() >> 2
            let fraction = UInt32(truncatingIfNeeded: random.next()) >> 8
            let (high, low) = ((total >> 24) * UInt64(fraction), (total & 0xFF_FFFF) * UInt64(fraction))
            #expect(FixedPoint.scale(total, by: fraction) == high + low >> 24)
        }
    }
}
