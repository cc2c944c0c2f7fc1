import Foundation
import Testing
import VkdynCore
import VkdynKernels

/// The three calls of group normalisation against their formula in double precision.
@Suite struct GroupNormTests {
    private struct Result {
        let mean: [Float]
        let factor: [Float]
        let values: [Float]
    }

    /// All three calls over one buffer of pictures.
    private func normalise(
        _ source: [Float], images: Int, pixels: Int, channels: Int, groups: Int, weight: [Float], bias: [Float],
        activation: Activation = .none
    ) -> Result {
        let count = BufferContents.structure(RowCount(count: UInt32(images), capacity: UInt32(images)))
        let (n, p, c, g) = (UInt32(images), UInt32(pixels), UInt32(channels), UInt32(groups))
        let moments = TwinCall<GroupMoments>(
            .init(
                images: count, source: .floats(source),
                moments: .unwritten(GroupMoments.elementCount(images: images, pixels: pixels, channels: channels))),
            .init(imageCapacity: n, pixels: p, channels: c)
        ).run().floats("moments")
        let statistics = TwinCall<GroupStatistics>(
            .init(images: count, moments: .floats(moments), statistics: .unwritten(images * groups * 2)),
            .init(imageCapacity: n, pixels: p, channels: c, groupCount: g, epsilon: 1e-5)
        ).run().floats("statistics")
        let values = TwinCall<GroupNorm>(
            .init(
                images: count, source: .floats(source), statistics: .floats(statistics), weight: .floats(weight),
                bias: .floats(bias), result: .unwritten(source.count)),
            .init(imageCapacity: n, pixels: p, channels: c, groupCount: g), .init(activation: activation.rawValue)
        ).run().floats("result")
        let places = stride(from: 0, to: statistics.count, by: 2)
        return Result(
            mean: places.map { statistics[$0] }, factor: places.map { statistics[$0 + 1] }, values: values)
    }

    /// Plain pictures, and some whose mean is a thousand times their spread.
    @Test func pictureIsNormalisedWithinTheStatedBound() {
        var random = CaseGenerator(seed: 31)
        for (pixels, channels, groups, mean) in [
            (1, 4, 2, Float(0)), (64, 32, 8, 0), (65, 40, 4, 3), (300, 12, 3, 1000), (1000, 60, 6, -50),
            (4096, 8, 2, 1e4),
        ] {
            let images = 2
            let source = random.floats(images * pixels * channels).map { $0 + mean }
            let (weight, bias) = (random.floats(channels), random.floats(channels))
            let found = normalise(
                source, images: images, pixels: pixels, channels: channels, groups: groups, weight: weight, bias: bias)
            let groupChannels = channels / groups
            let k = 80 + Double((pixels + 63) / 64 * groupChannels) / 64
            var wrong = 0
            for image in 0..<images {
                for group in 0..<groups {
                    var members: [Int] = []
                    for pixel in 0..<pixels {
                        for c in 0..<groupChannels {
                            members.append((image * pixels + pixel) * channels + group * groupChannels + c)
                        }
                    }
                    let x = members.map { Double(source[$0]) }
                    let largest = x.map(abs).max()!
                    let mean = x.reduce(0, +) / Double(x.count)
                    let variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(x.count)
                    let factor = 1 / (variance + 1e-5).squareRoot()
                    let slack = k * 0x1p-24 * (1 + largest * factor)
                    #expect(abs(Double(found.mean[image * groups + group]) - mean) <= k * 0x1p-24 * largest)
                    #expect(abs(Double(found.factor[image * groups + group]) - factor) <= slack * factor)
                    for (index, value) in zip(members, x) {
                        let channel = index % channels
                        let normal = (value - mean) * factor
                        let exact = normal * Double(weight[channel]) + Double(bias[channel])
                        let bound = slack * (1 + abs(normal)) * abs(Double(weight[channel])) + ulp(exact) / 2
                        if !agrees(found.values[index], exact, bound: bound) { wrong += 1 }
                    }
                }
            }
            #expect(wrong == 0, "\(pixels) pixels of \(channels) channels around \(mean)")
        }
    }

    @Test func imageDoesNotKnowItsBatch() {
        var random = CaseGenerator(seed: 32)
        let (pixels, channels) = (130, 24)
        let source = random.floats(3 * pixels * channels, scale: 5)
        let (weight, bias) = (random.floats(channels), random.floats(channels))
        let all = normalise(
            source, images: 3, pixels: pixels, channels: channels, groups: 6, weight: weight, bias: bias,
            activation: .silu)
        let size = pixels * channels
        for image in 0..<3 {
            let alone = normalise(
                Array(source[image * size..<(image + 1) * size]), images: 1, pixels: pixels, channels: channels,
                groups: 6, weight: weight, bias: bias, activation: .silu)
            #expect(alone.values.map(\.bitPattern) == all.values[image * size..<(image + 1) * size].map(\.bitPattern))
        }
    }

    /// Written out a second time: blocks of 64 pixels, each channel alone, ascending.
    @Test func momentsAreThoseOfTheirBlocks() {
        for run in TwinRun<GroupMoments>.all() {
            let (pixels, channels) = (Int(run.parameters.pixels), Int(run.parameters.channels))
            let (source, moments) = (run.before[1]!.floats, run.after[2]!.floats)
            let blocks = (pixels + 63) / 64
            var wrong = 0
            for image in 0..<run.rowCount {
                for block in 0..<blocks {
                    for channel in 0..<channels {
                        let x = (block * 64..<min(block * 64 + 64, pixels)).map {
                            Double(source[(image * pixels + $0) * channels + channel])
                        }
                        let mean = x.reduce(0, +) / Double(x.count)
                        let squares = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
                        let place = (image * blocks + block) * 2 * channels + channel
                        let largest = x.map(abs).max() ?? 0
                        // Squares beyond f32.
                        if squares > 3e38, !moments[place + channels].isFinite { continue }
                        let slack = 66 * 0x1p-24 * largest
                        if !agrees(moments[place], mean, bound: slack) { wrong += 1 }
                        let bound = 70 * 0x1p-24 * squares + 64 * slack * slack + 0x1p-140
                        if !agrees(moments[place + channels], squares, bound: bound) { wrong += 1 }
                    }
                }
            }
            #expect(wrong == 0, "\(run.label)")
            #expect(isUntouched(run, 2, from: run.rowCount * blocks * 2 * channels), "\(run.label)")
        }
    }

    @Test func groupNormIsItsFormula() {
        for run in TwinRun<GroupNorm>.all() {
            let p = run.parameters
            let (pixels, channels, groups) = (Int(p.pixels), Int(p.channels), Int(p.groupCount))
            let activation = Activation(rawValue: run.constants.activation)!
            let (source, statistics) = (run.before[1]!.floats, run.before[2]!.floats)
            let (weight, bias, result) = (run.before[3]!.floats, run.before[4]!.floats, run.after[5]!.floats)
            var wrong = 0
            for index in 0..<run.rowCount * pixels * channels {
                let channel = index % channels
                let group = (index / (pixels * channels) * groups + channel / (channels / groups)) * 2
                let difference = Double(source[index]) - Double(statistics[group])
                let normal = difference * Double(statistics[group + 1])
                let exact = normal * Double(weight[channel]) + Double(bias[channel])
                if abs(exact) > 1e30 { continue }
                let activated = Double(activation(Float(exact)))
                let size = abs(normal * Double(weight[channel])) + abs(exact) + abs(activated)
                if !agrees(result[index], activated, bound: 6 * 0x1p-24 * size + 0x1p-126) { wrong += 1 }
            }
            #expect(wrong == 0, "\(run.label)")
            #expect(isUntouched(run, 5, from: run.rowCount * pixels * channels), "\(run.label)")
        }
    }
}
