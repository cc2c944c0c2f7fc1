import Foundation
import Testing
import VkdynCore
@testable import VkdynKernels

/// The kernels of bipartite matching against their formulas in double, and the properties that they document.
@Suite struct MatchingTests {
    // MARK: Metric

    @Test func theMetricAgreesWithDouble() {
        for run in TwinRun<MatchingMetric>.all()
        where !run.label.hasPrefix("special") && !run.label.hasPrefix("heads that") {
            let p = run.parameters
            let (width, heads) = (Int(p.width), Int(p.headCount))
            let source = run.before[1]!.floats.map(Double.init)
            var wrong = 0
            for row in 0..<run.rowCount {
                let start = row * Int(p.sourceStride) + Int(p.sourceOffset)
                // The mean, as ToMe takes it: its factor must not matter.
                let means = (0..<width).map { i in
                    (0..<heads).reduce(0.0) { $0 + source[start + $1 * width + i] } / Double(max(heads, 1))
                }
                let norm = means.reduce(0) { $0 + $1 * $1 }.squareRoot()
                let magnitude = (0..<width).map { i in
                    (0..<heads).reduce(0.0) { $0 + abs(source[start + $1 * width + i]) } / Double(max(heads, 1))
                }
                let largest = magnitude.max() ?? 0
                for i in 0..<width {
                    let exact = norm == 0 ? 0 : means[i] / norm
                    let relative = 3 + (Double(width) / 64 + 7) / 2
                    // Errors of the heads' sums reach all channels through the norm.
                    let sums =
                        norm == 0
                        ? 0 : Double(heads) * 0x1p-24 * (magnitude[i] + largest * Double(width).squareRoot()) / norm
                    let bound = relative * ulp(exact) + (heads > 1 ? sums * 2 : 0)
                    if !agrees(run.after[2]!.floats[row * width + i], exact, bound: bound) { wrong += 1 }
                }
            }
            #expect(wrong == 0, "\(run.label)")
            let rest = run.rowCount * width
            #expect(run.after[2]!.words.dropFirst(rest) == run.before[2]!.words.dropFirst(rest), "\(run.label)")
        }
    }

    @Test func rowsWithoutALengthStayZero() throws {
        for width in [67, 68] {
            let run = TwinRun(
                MatchingMetric.self,
                try #require(MatchingMetric.cases.first { $0.label == "special values, width \(width)" }))
            func row(_ index: Int) -> ArraySlice<Float> { run.after[2]!.floats[index * width..<(index + 1) * width] }
            #expect(row(0).allSatisfy { $0 == 0 })
            #expect(row(1).allSatisfy { $0.isNaN })
            // Infinity has no direction: zero where the row is finite, NaN where it is not.
            #expect(row(2).enumerated().allSatisfy { $0.offset == 1 ? $0.element.isNaN : $0.element == 0 })
            #expect(row(3).allSatisfy { $0 == 0 })
            #expect(row(4).allSatisfy { $0 == 0 })
            // Squares that are denormal still give a direction.
            let length = row(5).reduce(0.0) { $0 + Double($1) * Double($1) }
            #expect(abs(length - 1) < 0.01)
            #expect(row(6).last == -1 && row(6).dropLast().allSatisfy { $0 == 0 })
        }
        let cancelled = TwinRun(
            MatchingMetric.self, try #require(MatchingMetric.cases.first { $0.label == "heads that cancel" }))
        #expect(cancelled.after[2]!.floats.prefix(8).allSatisfy { $0 == 0 })
        #expect(cancelled.after[2]!.floats.dropFirst(8).contains { $0 != 0 })
    }

    // MARK: Best match

    /// The twin's match is a best one in double, and the best one wherever the second is further away than rounding.
    @Test(arguments: Flavour.allCases) func matchesAreTheBestOnes(flavour: Flavour) {
        var decided = 0
        for run in TwinRun<BestMatch>.all(flavour: flavour) {
            let p = run.parameters
            let (width, sources, destinations) = (Int(p.width), Int(p.sourceCount), Int(p.destinationCount))
            let metric = run.before[1]!.floats.map(Double.init)
            let sets = run.before[2]?.words.map(Int.init)
            let first = p.distillationToken != 0 ? 1 : 0
            var wrong = 0
            for index in 0..<run.rowCount * sources {
                let (image, i) = (index / sources, index % sources)
                let (score, match) = (run.after[3]!.floats[index], Int(run.after[4]!.words[index]))
                if first >= destinations || (p.classToken != 0 && i == 0) {
                    if score != -.infinity || match != 0 { wrong += 1 }
                    continue
                }
                func start(_ token: Int) -> Int { (image * Int(p.tokenCount) + token) * width }
                let a = start(sets?[i] ?? 2 * i)
                let products = (first..<destinations).map { j -> (exact: Double, bound: Double) in
                    let b = start(sets?[sources + j] ?? 2 * j + 1)
                    var (exact, magnitude) = (0.0, 0.0)
                    for k in 0..<width {
                        exact += metric[a + k] * metric[b + k]
                        magnitude += abs(metric[a + k] * metric[b + k])
                    }
                    return (exact, (257 + Double(width) / 256) * 0x1p-24 * magnitude + 0x1p-120)
                }
                if products.contains(where: { !$0.exact.isFinite || abs($0.exact) > 1e38 }) { continue }
                let found = products[match - first]
                if !agrees(score, found.exact, bound: found.bound) { wrong += 1 }
                let best = products.map(\.exact).max()!
                if best - found.exact > found.bound + products.map(\.bound).max()! { wrong += 1 }
                let near = products.indices.filter { best - products[$0].exact <= 2 * products.map(\.bound).max()! }
                // A tie beyond doubt: equal vectors, of which the lowest wins.
                if near.count == 1 || near.allSatisfy({ products[$0].exact == best && products[$0].bound < 1e-6 }) {
                    decided += 1
                }
                if near.count == 1, near[0] + first != match { wrong += 1 }
            }
            #expect(wrong == 0, "\(run.label)")
            let rest = run.rowCount * sources
            for buffer in [3, 4] {
                #expect(run.after[buffer]!.words.dropFirst(rest) == run.before[buffer]!.words.dropFirst(rest))
            }
        }
        #expect(decided > 1000)
    }

    private func match(
        _ metric: [[Float]], classToken: Bool = false, distillationToken: Bool = false
    ) -> (scores: [Float], matches: [UInt32]) {
        let (tokens, width) = (metric.count, metric[0].count)
        let sources = (tokens + 1) / 2
        let call = TwinCall<BestMatch>(
            .init(
                images: .structure(RowCount(count: 1, capacity: 1)), metric: .floats(metric.flatMap { $0 }),
                scores: .unwritten(sources), matches: .unwritten(sources, as: .u32)),
            .init(
                imageCapacity: 1, tokenCount: UInt32(tokens), sourceCount: UInt32(sources),
                destinationCount: UInt32(tokens / 2), width: UInt32(width), classToken: classToken ? 1 : 0,
                distillationToken: distillationToken ? 1 : 0)
        ).run()
        return (call.floats("scores"), call.words("matches"))
    }

    @Test func theLowestOfEqualDestinationsWins() {
        let metric: [[Float]] = [[1, 0], [0, 1], [0, 1], [1, 0], [-1, 0], [1, 0], [0, 0], [0, 1]]
        let found = match(metric)
        #expect(found.matches == [1, 0, 0, 0])
        #expect(found.scores == [1, 1, 0, 0])
    }

    @Test func protectedTokensHaveNoPart() {
        let metric = [[Float]](repeating: [1, 0], count: 6)
        #expect(match(metric).matches == [0, 0, 0])
        let found = match(metric, classToken: true, distillationToken: true)
        #expect(found.scores == [-.infinity, 1, 1] && found.matches == [0, 1, 1])
    }

    @Test func nanNeverWins() {
        let found = match([[1, 0], [.nan, 0], [.nan, 1], [-1, 0], [0, 1], [0, -1]])
        #expect(found.matches == [2, 0, 1])
        #expect(found.scores[0] == 0 && found.scores[1].isNaN && found.scores[2] == 0)
        // Not even against nothing else: the distillation token is no way out.
        let alone = match([[1, 0], [1, 0], [1, 0], [.nan, 0]], classToken: true, distillationToken: true)
        #expect(alone.matches == [0, 1] && alone.scores[1].isNaN)
    }

    // MARK: Sets

    @Test func everyCellHasOneDestination() {
        for kernelCase in MatchingSets.cases {
            let run = TwinRun(MatchingSets.self, kernelCase)
            let p = run.parameters
            let (height, width) = (Int(p.height), Int(p.width))
            let (rows, columns) = (height / Int(p.cellHeight), width / Int(p.cellWidth))
            let sets = run.after[1]!.words.map(Int.init)
            #expect(sets.sorted() == Array(0..<height * width), "\(run.label)")
            let sources = sets.prefix(height * width - rows * columns)
            let destinations = sets.dropFirst(sources.count)
            #expect(Array(sources) == sources.sorted() && Array(destinations) == destinations.sorted(), "\(run.label)")
            let cells = destinations.map { token in
                token / width / Int(p.cellHeight) * columns + token % width / Int(p.cellWidth)
            }
            #expect(cells.sorted() == Array(0..<rows * columns), "\(run.label)")
            #expect(destinations.allSatisfy { $0 % width < columns * Int(p.cellWidth) }, "\(run.label)")
            if run.before[0] == nil {
                #expect(
                    destinations.allSatisfy {
                        $0 / width % Int(p.cellHeight) == 0 && $0 % width % Int(p.cellWidth) == 0
                    },
                    "\(run.label)")
            }
        }
    }

    private func randomSets(step: UInt32, seed: UInt32, site: UInt32 = 0) -> [UInt32] {
        TwinCall<MatchingSets>(
            .init(
                stepParameters: .structure(StepParameters(step: step, seedLow: seed, seedHigh: 0)),
                sets: .unwritten(64 * 64, as: .u32)),
            .init(height: 64, width: 64, cellHeight: 2, cellWidth: 2, site: site)
        ).run().words("sets")
    }

    @Test func randomDestinationsAreUniform() {
        var counts = [0, 0, 0, 0]
        for step in 0..<20 {
            for token in randomSets(step: UInt32(step), seed: 7).dropFirst(64 * 48).map(Int.init) {
                counts[token / 64 % 2 * 2 + token % 2] += 1
            }
        }
        #expect(counts.reduce(0, +) == 20 * 1024)
        #expect(chiSquare(counts, [0.25, 0.25, 0.25, 0.25]) < chiSquareLimits[2])
    }

    @Test func destinationsDifferByStepSeedAndSiteAlone() {
        let sets = randomSets(step: 3, seed: 7)
        #expect(sets == randomSets(step: 3, seed: 7))
        #expect(sets != randomSets(step: 4, seed: 7))
        #expect(sets != randomSets(step: 3, seed: 8))
        #expect(sets != randomSets(step: 3, seed: 7, site: 1))
    }

    // MARK: Targets and offsets

    /// The output's rows, written down as the papers' code concatenates them.
    private func outputRows(
        order: [Int], matches: [Int], sources: [Int], destinations: [Int], merged: Int, classToken: Bool,
        distillationToken: Bool
    ) -> [[Int]] {
        var order = order
        if classToken {
            order.removeAll { $0 == 0 }
            order.append(0)
        }
        var groups = destinations.map { [$0] }
        for i in order.prefix(merged) { groups[matches[i]].append(sources[i]) }
        var kept = Array(order.dropFirst(merged))
        if classToken { kept.sort() }
        let keptRows = kept.map { [sources[$0]] }
        let rows =
            distillationToken
            ? Array(keptRows.prefix(1)) + Array(groups.prefix(1)) + Array(keptRows.dropFirst())
                + Array(groups.dropFirst())
            : keptRows + groups
        return rows.map { $0.sorted() }
    }

    @Test func targetsAreTheRowsOfThePapers() {
        for run in TwinRun<MergeTargets>.all() {
            let p = run.parameters
            let (sourceCount, destinationCount) = (Int(p.sourceCount), Int(p.destinationCount))
            let tokens = sourceCount + destinationCount
            let sets = run.before[3]?.words.map(Int.init)
            for image in 0..<run.rowCount {
                let rows = outputRows(
                    order: run.before[1]!.words[image * sourceCount..<(image + 1) * sourceCount].map(Int.init),
                    matches: run.before[2]!.words[image * sourceCount..<(image + 1) * sourceCount].map(Int.init),
                    sources: (0..<sourceCount).map { sets?[$0] ?? 2 * $0 },
                    destinations: (0..<destinationCount).map { sets?[sourceCount + $0] ?? 2 * $0 + 1 },
                    merged: Int(p.mergedCount), classToken: p.classToken != 0,
                    distillationToken: p.distillationToken != 0)
                #expect(rows.count == tokens - Int(p.mergedCount))
                if p.classToken != 0 { #expect(rows[0] == [sets?[0] ?? 0], "\(run.label)") }
                var expected = [UInt32](repeating: .max, count: tokens)
                for (row, members) in rows.enumerated() { for token in members { expected[token] = UInt32(row) } }
                #expect(Array(run.after[4]!.words[image * tokens..<(image + 1) * tokens]) == expected, "\(run.label)")
            }
        }
    }

    @Test func offsetsCountTheLowerTargets() {
        for run in TwinRun<MergeOffsets>.all() {
            let (tokens, rows) = (Int(run.parameters.tokenCount), Int(run.parameters.rowCount))
            for image in 0..<run.rowCount {
                let targets = run.before[1]!.words[image * tokens..<(image + 1) * tokens]
                let expected = (0...rows).map { row in UInt32(targets.count { $0 < UInt32(row) }) }
                #expect(
                    Array(run.after[3]!.words[image * (rows + 1)..<(image + 1) * (rows + 1)]) == expected,
                    "\(run.label)")
            }
        }
    }

    // MARK: Merging

    @Test func mergedRowsAgreeWithDouble() {
        for run in TwinRun<MergeTokens>.all() where !run.label.contains("special") {
            let p = run.parameters
            let (tokens, rows, width) = (Int(p.tokenCount), Int(p.rowCount), Int(p.width))
            let source = run.before[1]!.floats.map(Double.init)
            let sizes = run.before[2]?.floats.map(Double.init)
            let (offsets, members) = (run.before[3]!.words.map(Int.init), run.before[4]!.words.map(Int.init))
            let result = run.after[5]!.floats
            var wrong = 0
            for image in 0..<run.rowCount {
                for row in 0..<rows {
                    let offset = image * (rows + 1) + row
                    let own = (offsets[offset]..<offsets[offset + 1]).map {
                        image * tokens + members[image * tokens + $0]
                    }
                    let total = own.reduce(0.0) { $0 + (sizes?[$1] ?? 1) }
                    if let found = run.after[6]?.floats[image * rows + row], Double(found) != total { wrong += 1 }
                    for i in 0..<width {
                        let terms = own.map { source[$0 * width + i] * (sizes?[$0] ?? 1) }
                        let exact = terms.reduce(0, +) / total
                        let magnitude = terms.reduce(0) { $0 + abs($1) } / total
                        let bound = Double(own.count + 2) * 0x1p-24 * magnitude + ulp(exact) / 2
                        let value = result[(image * rows + row) * width + i]
                        if own.count == 1 ? Double(value) != exact : !agrees(value, exact, bound: bound) { wrong += 1 }
                    }
                }
            }
            #expect(wrong == 0, "\(run.label)")
        }
    }

    @Test func aSpecialValueStaysInItsRow() throws {
        for kernelCase in MergeTokens.cases where kernelCase.label.contains("special") {
            let run = TwinRun(MergeTokens.self, kernelCase)
            let width = Int(run.parameters.width)
            var finite = 0
            for row in 0..<Int(run.parameters.rowCount) {
                let (offsets, members) = (run.before[3]!.words, run.before[4]!.words)
                let own = members[Int(offsets[row])..<Int(offsets[row + 1])].map(Int.init)
                let isPlain = own.allSatisfy { token in
                    run.before[2]!.floats[token].isFinite && run.before[2]!.floats[token] > 0
                        && (0..<width).allSatisfy { abs(run.before[1]!.floats[token * width + $0]) < 1e30 }
                }
                guard isPlain else { continue }
                finite += 1
                #expect((0..<width).allSatisfy { run.after[5]!.floats[row * width + $0].isFinite })
            }
            #expect(finite > 0)
        }
    }

    @Test func unmergingCopiesRows() {
        for run in TwinRun<UnmergeTokens>.all() {
            let p = run.parameters
            let (tokens, width) = (Int(p.tokenCount), Int(p.width))
            var wrong = 0
            for index in 0..<run.rowCount * tokens * width {
                let token = index / max(width, 1)
                let row = token / tokens * Int(p.rowCount) + Int(run.before[2]!.words[token])
                var expected = run.before[1]!.floats[row * width + index % width]
                if let residual = run.before[3]?.floats[index] { expected += residual }
                let value = run.after[4]!.floats[index]
                if value.bitPattern != expected.bitPattern, !(value.isNaN && expected.isNaN) { wrong += 1 }
            }
            #expect(wrong == 0, "\(run.label)")
        }
    }

    @Test func sourceMapsComposeMerges() {
        for run in TwinRun<SourceMap>.all() {
            let p = run.parameters
            let (tokens, originals) = (Int(p.tokenCount), Int(p.originalCount))
            for image in 0..<run.rowCount {
                let previous = run.before[2].map { Array($0.words[image * originals..<(image + 1) * originals]) }
                let targets = Array(run.before[1]!.words[image * tokens..<(image + 1) * tokens])
                let expected = (previous ?? Array(0..<UInt32(originals))).map { targets[Int($0)] }
                #expect(
                    Array(run.after[3]!.words[image * originals..<(image + 1) * originals]) == expected, "\(run.label)")
            }
        }
    }

    @Test func logarithmsAgreeWithDouble() {
        for run in TwinRun<Logarithm>.all() {
            var wrong = 0
            for i in 0..<run.rowCount * Int(run.parameters.width) {
                let exact = log(Double(run.before[1]!.floats[i]))
                if !agrees(run.after[2]!.floats[i], exact, bound: 0.82 * ulp(exact)) { wrong += 1 }
            }
            #expect(wrong == 0, "\(run.label)")
        }
    }
}
