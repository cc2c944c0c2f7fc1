import Foundation
import Testing
import VkdynCore
import VkdynKernels
import VkdynReference
import VkdynSchedule
import VkdynTechniques

/// Token merging as it is recorded, from metric to merged rows, against a slow second way in double precision.
@Suite(.serialized) struct TokenMergingTests {
    private typealias Sets = TokenMergeRun.Sets
    private typealias Merged = TokenMergeRun.Merged

    private func merge(
        _ source: [Float], images: Int, tokens: Int, width: Int, r: Int, sets: Sets, sizes: [Float]? = nil,
        map: [UInt32]? = nil, originals: Int? = nil, on device: any Device
    ) throws -> Merged? {
        var run = TokenMergeRun(source: source, images: images, tokens: tokens, width: width, r: r, sets: sets)
        (run.sizes, run.map, run.originals) = (sizes, map, originals ?? tokens)
        return try run.merge(on: device)
    }

    // MARK: The second way

    /// One image merged in double precision, by sorting and concatenating lists; nil where scores lie so near each
    /// other that rounding could decide.
    private func slowly(
        _ source: ArraySlice<Float>, tokens: Int, width: Int, r: Int, sources: [Int], destinations: [Int],
        classToken: Bool, distillationToken: Bool, sizes: [Double]
    ) -> (members: [[Int]], rows: [[Double]])? {
        let rows = (0..<tokens).map { t in (0..<width).map { Double(source[source.startIndex + t * width + $0]) } }
        let metric = rows.map { row in
            let norm = row.reduce(0) { $0 + $1 * $1 }.squareRoot()
            return row.map { $0 / norm }
        }
        let smallestGap = 2e-6
        var best: [(score: Double, match: Int)] = []
        for (i, a) in sources.enumerated() {
            if classToken && i == 0 {
                best.append((-.infinity, 0))
                continue
            }
            let scores = destinations.indices.map { j -> Double in
                if distillationToken && j == 0 { return -.infinity }
                return zip(metric[a], metric[destinations[j]]).reduce(0) { $0 + $1.0 * $1.1 }
            }
            let sorted = scores.sorted(by: >)
            if sorted.count > 1, sorted[0] - sorted[1] < smallestGap { return nil }
            best.append((sorted[0], scores.firstIndex(of: sorted[0])!))
        }
        let order = best.indices.sorted { best[$0].score > best[$1].score }
        for (a, b) in zip(order, order.dropFirst()) where best[a].score - best[b].score < smallestGap { return nil }
        var groups = destinations.map { [$0] }
        for i in order.prefix(r) { groups[best[i].match].append(sources[i]) }
        var kept = Array(order.dropFirst(r))
        if classToken { kept.sort() }
        var members = kept.map { [sources[$0]] } + groups
        if distillationToken { members.insert(members.remove(at: kept.count), at: 1) }
        let merged = members.map { own -> [Double] in
            let total = own.reduce(0) { $0 + sizes[$1] }
            return (0..<width).map { c in own.reduce(0.0) { $0 + rows[$1][c] * sizes[$1] } / total }
        }
        return (members.map { $0.sorted() }, merged)
    }

    @Test(
        arguments: [
            (50, 0, false, false), (50, 8, false, false), (50, 25, false, false), (51, 60, false, false),
            (50, 8, true, false), (51, 90, true, false), (50, 7, true, true), (51, 24, true, true),
        ])
    func mergesAreThoseOfASlowSecondWay(tokens: Int, r: Int, classToken: Bool, distillationToken: Bool) throws {
        let (images, width) = (3, 24)
        let sets = TokenSets.alternating(
            tokenCount: tokens, classToken: classToken, distillationToken: distillationToken)
        let merged = sets.mergedCount(r)
        var compared = 0
        for seed in 0..<12 {
            var random = CaseGenerator(seed: UInt64(1000 + seed))
            let source = random.floats(images * tokens * width)
            let sizes = (0..<images * tokens).map { _ in Float(Int.random(in: 1...5, using: &random)) }
            guard
                let found = try merge(
                    source, images: images, tokens: tokens, width: width, r: r,
                    sets: .alternating(classToken: classToken, distillationToken: distillationToken), sizes: sizes,
                    on: TestDevices.reference)
            else {
                #expect(r == 0)
                return
            }
            #expect(found.rowCount == tokens - merged)
            for image in 0..<images {
                let range = image * tokens..<(image + 1) * tokens
                guard
                    let expected = slowly(
                        source[range.lowerBound * width..<range.upperBound * width], tokens: tokens, width: width,
                        r: merged, sources: Array(stride(from: 0, to: tokens, by: 2)),
                        destinations: Array(stride(from: 1, to: tokens, by: 2)), classToken: classToken,
                        distillationToken: distillationToken, sizes: sizes[range].map(Double.init))
                else { continue }
                compared += 1
                check(found, image, expected, tokens: tokens, width: width, sizes: sizes[range].map(Double.init))
            }
        }
        #expect(compared >= 12)
    }

    private func check(
        _ found: Merged, _ image: Int, _ expected: (members: [[Int]], rows: [[Double]]), tokens: Int, width: Int,
        sizes: [Double]
    ) {
        var targets = [UInt32](repeating: .max, count: tokens)
        for (row, members) in expected.members.enumerated() { for token in members { targets[token] = UInt32(row) } }
        #expect(Array(found.targets[image * tokens..<(image + 1) * tokens]) == targets)
        var worst = 0.0
        for (row, values) in expected.rows.enumerated() {
            for (c, value) in values.enumerated() {
                worst = max(worst, abs(Double(found.rows[(image * found.rowCount + row) * width + c]) - value))
            }
            #expect(
                Double(found.sizes[image * found.rowCount + row]) == expected.members[row].reduce(0) { $0 + sizes[$1] })
        }
        #expect(worst < 1e-6)
    }

    @Test(arguments: [UInt32?.none, 5, 77]) func cellsMergeAsASlowSecondWay(seed: UInt32?) throws {
        let (height, columns, width) = (6, 9, 20)
        let tokens = height * columns
        // The sets themselves have their own tests.
        let sets = try setsOf(height: height, columns: columns, seed: seed)
        var compared = 0
        for r in [1, 20, 27, 42, 99] {
            for round in 0..<8 {
                var random = CaseGenerator(seed: UInt64(2000 + 100 * r + round))
                let source = random.floats(2 * tokens * width)
                let found = try #require(
                    try merge(
                        source, images: 2, tokens: tokens, width: width, r: r,
                        sets: .cells(height: height, width: columns, seed: seed), on: TestDevices.reference))
                #expect(found.rowCount == tokens - min(r, 42))
                for image in 0..<2 {
                    guard
                        let expected = slowly(
                            source[image * tokens * width..<(image + 1) * tokens * width], tokens: tokens, width: width,
                            r: min(r, 42), sources: Array(sets.prefix(42)), destinations: Array(sets.dropFirst(42)),
                            classToken: false, distillationToken: false, sizes: Array(repeating: 1, count: tokens))
                    else { continue }
                    compared += 1
                    check(
                        found, image, expected, tokens: tokens, width: width, sizes: Array(repeating: 1, count: tokens))
                }
            }
        }
        #expect(compared >= 20)
    }

    private func setsOf(height: Int, columns: Int, seed: UInt32?) throws -> [Int] {
        let device = TestDevices.reference
        let step = try seed.map {
            try device.makeBuffer(.structure(StepParameters(step: 4, seedLow: $0, seedHigh: 1)), label: "step")
        }
        var recording = Recording()
        let sets = TokenSets.cells(
            height: height, width: columns, cellHeight: 2, cellWidth: 2, step: step, site: 0, into: &recording)
        let copy = try device.makeBuffer(.unwritten(height * columns, as: .u32), label: "copy")
        let one = try device.makeBuffer(.structure(RowCount(count: 1, capacity: 1)), label: "one")
        recording.dispatch(
            SourceMap.self, "copy", .init(images: one, targets: try #require(sets.buffer), result: copy),
            .init(imageCapacity: 1, tokenCount: UInt32(copy.count), originalCount: UInt32(copy.count)))
        try device.prepare(Plan(recording, label: "sets", traits: device.traits)).run()
        return try device.read(UInt32.self, from: copy, count: copy.count).map(Int.init)
    }

    // MARK: Properties

    /// An image merges to the same bits alone and anywhere in a batch, on the twins and on the device.
    @Test func anImageDoesNotDependOnItsBatch() throws {
        let (tokens, width, r) = (37, 16, 12)
        var random = CaseGenerator(seed: 3000)
        let images = (0..<4).map { _ in random.floats(tokens * width) }
        let device = try TestDevices.vulkan()
        for sets in [
            Sets.alternating(classToken: true, distillationToken: false), .cells(height: 1, width: 37, seed: nil),
        ] {
            // A picture of one line has no whole cell of two.
            if case .cells = sets {
                #expect(
                    try merge(images[0], images: 1, tokens: tokens, width: width, r: r, sets: sets, on: device) == nil)
                continue
            }
            let alone = try images.map {
                try #require(
                    try merge($0, images: 1, tokens: tokens, width: width, r: r, sets: sets, on: TestDevices.reference))
            }
            for batch in [[0, 1], [2, 0, 3], [3, 2, 1, 0], [1, 1, 1, 1]] {
                for isDevice in [false, true] {
                    let found = try #require(
                        try merge(
                            batch.flatMap { images[$0] }, images: batch.count, tokens: tokens, width: width, r: r,
                            sets: sets, on: isDevice ? device : TestDevices.reference))
                    #expect(found.targets == batch.flatMap { alone[$0].targets })
                    #expect(found.rows.map(\.bitPattern) == batch.flatMap { alone[$0].rows.map(\.bitPattern) })
                    #expect(found.sizes == batch.flatMap { alone[$0].sizes })
                    #expect(found.sourceMap == batch.flatMap { alone[$0].sourceMap })
                }
            }
        }
    }

    @Test func cellsOfALargePictureMergeEquallyOnTheDevice() throws {
        let (height, columns, width) = (50, 50, 12)
        var random = CaseGenerator(seed: 3100)
        let source = random.floats(2 * height * columns * width)
        var results: [Merged] = []
        for choice in TestDevices.Choice.allCases {
            let found = try merge(
                source, images: 2, tokens: height * columns, width: width, r: 1250,
                sets: .cells(height: height, width: columns, seed: 9), on: try TestDevices.device(choice))
            results.append(try #require(found))
        }
        #expect(results[0].targets == results[1].targets)
        #expect(results[0].rows.map(\.bitPattern) == results[1].rows.map(\.bitPattern))
        #expect(results[0].unmerged.map(\.bitPattern) == results[1].unmerged.map(\.bitPattern))
    }

    /// Sizes add up to the patches at every layer, and say how many original tokens map to a row.
    @Test func sizesAndTheSourceMapAgreeOverLayers() throws {
        let (images, width) = (2, 16)
        var tokens = 64
        var random = CaseGenerator(seed: 3200)
        var source = random.floats(images * tokens * width)
        var sizes: [Float]?
        var map: [UInt32]?
        for r in [10, 13, 0, 9, 40] {
            guard
                let merged = try merge(
                    source, images: images, tokens: tokens, width: width, r: r,
                    sets: .alternating(classToken: true, distillationToken: true), sizes: sizes, map: map,
                    originals: 64,
                    on: TestDevices.reference)
            else { continue }
            (source, sizes, map, tokens) = (merged.rows, merged.sizes, merged.sourceMap, merged.rowCount)
            for image in 0..<images {
                let own = merged.sizes[image * tokens..<(image + 1) * tokens]
                #expect(own.reduce(0, +) == 64)
                let counts = (0..<tokens).map { row in
                    Float(merged.sourceMap[image * 64..<(image + 1) * 64].count { $0 == UInt32(row) })
                }
                #expect(Array(own) == counts)
                // Class and distillation tokens stay alone in front.
                #expect(own.prefix(2) == [1, 1])
                #expect(Array(merged.sourceMap[image * 64..<image * 64 + 2]) == [0, 1])
            }
        }
        #expect(tokens == 64 - 10 - 13 - 9 - 15)
    }

    /// Equal tokens merge to themselves: exactly in groups of a power of two, else within the quotient's rounding.
    @Test func mergingEqualTokensAndUnmergingIsTheIdentity() throws {
        let (tokens, width) = (41, 8)
        let row: [Float] = [1, -2.5, 0.125, 3, -7, 0, 0.75, 100]
        let source = (0..<tokens).flatMap { _ in row }
        for r in [1, 5, 20] {
            let found = try #require(
                try merge(
                    source, images: 1, tokens: tokens, width: width, r: r,
                    sets: .alternating(classToken: false, distillationToken: false), on: TestDevices.reference))
            for token in 0..<tokens {
                let size = Int(found.sizes[Int(found.targets[token])])
                for c in 0..<width {
                    let value = found.unmerged[token * width + c]
                    if size.nonzeroBitCount == 1 {
                        #expect(value == row[c])
                    } else {
                        #expect(abs(value - row[c]) <= 2 * row[c].ulp)
                    }
                }
            }
        }
    }

    // MARK: Counts

    @Test func asManyTokensMergeAsAreFreeTo() {
        for (tokens, classToken, distillationToken, most) in [
            (197, true, false, 98), (198, true, true, 98), (196, false, false, 98), (1, false, false, 0),
            (2, true, false, 0), (3, true, true, 0), (0, false, false, 0), (4, true, true, 1),
        ] {
            let sets = TokenSets.alternating(
                tokenCount: tokens, classToken: classToken, distillationToken: distillationToken)
            #expect(sets.mergedCount(1_000_000) == most)
            #expect(sets.mergedCount(0) == 0 && sets.mergedCount(-3) == 0)
            #expect(sets.mergedCount(1) == min(1, most))
        }
        var recording = Recording()
        let cells = TokenSets.cells(
            height: 5, width: 5, cellHeight: 2, cellWidth: 2, step: nil, site: 0, into: &recording)
        #expect(cells.sourceCount == 21 && cells.mergedCount(99) == 21 && cells.mergedCount(7) == 7)
        let none = TokenSets.cells(
            height: 1, width: 9, cellHeight: 2, cellWidth: 2, step: nil, site: 0, into: &recording)
        #expect(none.mergedCount(4) == 0)
    }

    @Test func schedulesAreThoseOfTheAuthors() throws {
        #expect(try MergeSchedule.constant(8).counts(layerCount: 3) == [8, 8, 8])
        #expect(try MergeSchedule.perLayer([10, 0, 7]).counts(layerCount: 5) == [10, 0, 7, 0, 0])
        // What parse_r of the authors' code gives.
        #expect(
            try MergeSchedule.inflected(8, inflection: -1).counts(layerCount: 12)
                == [16, 14, 13, 11, 10, 8, 7, 5, 4, 2, 1, 0])
        #expect(
            try MergeSchedule.inflected(8, inflection: 1).counts(layerCount: 12)
                == [0, 1, 2, 4, 5, 7, 8, 10, 11, 13, 14, 16])
        #expect(
            try MergeSchedule.inflected(13, inflection: 0.3).counts(layerCount: 12)
                == [9, 9, 10, 11, 11, 12, 13, 14, 14, 15, 16, 17])
        #expect(try MergeSchedule.inflected(5, inflection: -1).counts(layerCount: 1) == [10])
        #expect(throws: MergeScheduleError.negative(-2)) { try MergeSchedule.perLayer([1, -2]).counts(layerCount: 3) }
        #expect(throws: MergeScheduleError.tooLong(listed: 4, layers: 3)) {
            try MergeSchedule.perLayer([1, 2, 3, 4]).counts(layerCount: 3)
        }
        #expect(throws: MergeScheduleError.inflection(1.5)) {
            try MergeSchedule.inflected(3, inflection: 1.5).counts(layerCount: 3)
        }
    }
}
