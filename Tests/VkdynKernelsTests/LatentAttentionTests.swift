import Foundation
import Testing
import VkdynCore
@testable import VkdynKernels

/// Attention to latents against a plain softmax in double, against `Attention`, and the properties that it states.
@Suite struct LatentAttentionTests {
    /// The formula in double precision.
    @Test(arguments: Flavour.allCases) func agreesWithDouble(flavour: Flavour) {
        for run in TwinRun<LatentAttention>.all(flavour: flavour) {
            let p = run.parameters
            let (heads, latentSize, rotarySize) = (Int(p.headCount), Int(p.latentSize), Int(p.rotarySize))
            let cache = run.before[4]!.floats.map(Double.init)
            let result = run.after[5]!.floats
            var wrong = 0
            for row in 0..<run.rowCount {
                let attended = run.attended(row)
                for head in 0..<heads {
                    let query = run.query(row, head).map(Double.init)
                    var products = 0.0
                    let scores = (0..<attended).map { j -> Double in
                        let terms = query.indices.map { query[$0] * cache[j * query.count + $0] }
                        let magnitude = terms.reduce(0) { $0 + abs($1) } * Double(p.scale)
                        if magnitude.isFinite { products = max(products, magnitude) }
                        return terms.reduce(0, +) * Double(p.scale)
                    }
                    let maximum = scores.contains { $0.isNaN } ? .nan : scores.max()!
                    let weights = scores.map { exp($0 - maximum) }
                    let sum = weights.reduce(0, +)
                    let blocks = Double(attended / 64 + 2)
                    let relative = 0x1p-24 * (2 * Double(latentSize + rotarySize + 4) * products + blocks + 80)
                    for d in 0..<latentSize {
                        var exact = 0.0
                        var magnitude = 0.0
                        for j in 0..<attended {
                            exact += weights[j] / sum * cache[j * query.count + d]
                            magnitude += abs(weights[j] / sum * cache[j * query.count + d])
                        }
                        let value = result[(row * heads + head) * latentSize + d]
                        if !agrees(value, exact, bound: relative * magnitude + 0x1p-120) { wrong += 1 }
                    }
                }
            }
            #expect(wrong == 0, "\(run.label)")
            #expect(isUntouched(run, 5, from: run.rowCount * heads * latentSize), "\(run.label)")
        }
    }

    /// A query of one chunk has the bits of `Attention` whose one key/value head has the entries as keys and their
    /// latents as values.
    @Test(arguments: Flavour.allCases) func aSharedHeadGivesTheBitsOfAttention(flavour: Flavour) {
        var compared = 0
        for run in TwinRun<LatentAttention>.all(flavour: flavour) {
            let p = run.parameters
            let (heads, latentSize, capacity) = (Int(p.headCount), Int(p.latentSize), Int(p.cacheCapacity))
            let size = latentSize + Int(p.rotarySize)
            guard size <= dotProductChunk else { continue }
            let cache = run.before[4]!.floats
            var keys = [Float](repeating: .nan, count: capacity * size)
            var values: [Float] = []
            for slot in 0..<capacity {
                for d in 0..<size {
                    let index = KVAppend.keyIndex(
                        head: 0, slot: slot, dimension: d, headSize: size, cacheCapacity: capacity)
                    keys[index] = cache[slot * size + d]
                }
                values += cache[slot * size..<slot * size + latentSize]
            }
            var queries: [Float] = []
            for row in 0..<Int(p.rowCapacity) {
                for head in 0..<heads {
                    queries += row < run.rowCount ? run.query(row, head) : [Float](repeating: .nan, count: size)
                }
            }
            let plain = TwinRun(
                Attention.self,
                Attention.makeCase(
                    run.label,
                    Attention.Contents(
                        rows: run.before[0]!, positions: run.before[1]!, source: .floats(queries),
                        keyCache: .floats(keys), valueCache: .floats(values), result: run.before[5]!),
                    .init(
                        rowCapacity: Int(p.rowCapacity), headCount: heads, kvHeadCount: 1, headSize: size,
                        valueSize: latentSize, sourceStride: heads * size, cacheCapacity: capacity, scale: p.scale)),
                flavour: flavour)
            #expect(sameBits(plain.after[8]!.floats, run.after[5]!.floats), "\(run.label)")
            compared += run.rowCount
        }
        #expect(compared > 50)
    }

    /// Each row of every case alone gives the same bits.
    @Test func aRowDoesNotDependOnItsBatch() {
        for run in TwinRun<LatentAttention>.all() where run.rowCount > 1 {
            for row in 0..<run.rowCount {
                #expect(sameBits(TwinRun(LatentAttention.self, run.alone(row)).after[5]!.floats, run.result(row)))
            }
        }
    }

    @Test func randomRowsDoNotDependOnTheirBatch() {
        var random = CaseGenerator(seed: 79, isAdversarial: true)
        var constants = CaseGenerator(seed: 80)
        for _ in 0..<60 {
            let shape = LatentAttention.shapes.draw(&random, constants: &constants)
            let run = TwinRun(LatentAttention.self, LatentAttention.makeCase(shape, &random))
            guard run.rowCount > 0 else { continue }
            let row = Int.random(in: 0..<run.rowCount, using: &random)
            #expect(
                sameBits(TwinRun(LatentAttention.self, run.alone(row)).after[5]!.floats, run.result(row)),
                "\(run.label), row \(row)")
        }
    }

    /// What lies in slots beyond a row's position reaches nothing of it, and what lies at its position does.
    @Test func aRowSeesItsPositionAndNothingBeyond() throws {
        let run = try run("3 of 9")
        let size = Int(run.parameters.latentSize + run.parameters.rotarySize)
        for row in 0..<run.rowCount {
            let position = run.attended(row) - 1
            var contents = run.before
            var cache = contents[4]!.floats
            for index in (position + 1) * size..<cache.count { cache[index] = .nan }
            contents[4] = .floats(cache)
            let beyond = TwinRun(LatentAttention.self, run.with(contents))
            #expect(sameBits(beyond.result(row), run.result(row)))
            #expect(beyond.result(row).allSatisfy { $0.isFinite })
            cache[position * size + 3] += 1
            contents[4] = .floats(cache)
            #expect(!sameBits(TwinRun(LatentAttention.self, run.with(contents)).result(row), run.result(row)))
        }
    }

    /// A chunk's sum is finished before the next: 2²⁴ + 1 + … + 1 loses its ones within a chunk, not across. Here it
    /// decides whether two positions weigh alike.
    @Test func chunkSumsAreAddedInAscendingOrder() {
        let (latentSize, rotarySize) = (508, 8)
        let size = latentSize + rotarySize
        // A chunk of 2²⁴ and ones that are lost, one of 256 ones, and four more ones of the rotary part.
        let first: [Float] = [0x1p24] + [Float](repeating: 1, count: size - 1)
        let second: [Float] = [0x1p24 + 260] + [Float](repeating: 0, count: size - 1)
        let run = TwinRun(
            LatentAttention.self,
            LatentAttention.makeCase(
                "chunks",
                .init(
                    rows: .structure(RowCount(count: 1, capacity: 1)), positions: .words([1]),
                    latentQueries: .floats([Float](repeating: 1, count: latentSize)),
                    rotaryQueries: .floats([Float](repeating: 1, count: rotarySize)),
                    cache: .floats(first + second + [Float](repeating: .nan, count: 62 * size)),
                    result: .unwritten(latentSize)),
                .init(
                    rowCapacity: 1, headCount: 1, latentSize: UInt32(latentSize), rotarySize: UInt32(rotarySize),
                    rotaryStride: UInt32(rotarySize), rotaryOffset: 0, cacheCapacity: 64, scale: 1)))
        #expect(run.result(0)[0] == 0x1p24 + 130 && run.result(0)[1] == 0.5)
    }

    @Test func specialValues() throws {
        func rows(_ label: String) throws -> [[Float]] {
            let run = try run(label)
            return (0..<run.rowCount).map { run.result($0) }
        }
        // Rows at positions 3, 69 and 130.
        for label in ["latentNaN", "rotaryNaN", "rotaryInfinity"] {
            let found = try rows(label)
            #expect(found[0].allSatisfy { $0.isFinite } && found[1].allSatisfy { $0.isNaN }, "\(label)")
        }
        let negative = try rows("firstBlockNegative")
        #expect(negative[0].allSatisfy { $0.isNaN } && negative[1].allSatisfy { $0.isFinite })
        #expect(try rows("allNegative").allSatisfy { $0.allSatisfy { $0.isNaN } })
        // A weight of 0 still multiplies its infinity.
        #expect(try rows("latentInfinity").allSatisfy { row in (0..<3).allSatisfy { row[$0 * 32 + 3].isNaN } })
        #expect(try rows("ties").allSatisfy { $0.allSatisfy { $0 == 0 } })
    }

    /// The absorbed form over the cache and the plain form over the heads' own keys and values are the same attention.
    @Test(arguments: [(40, 24, 8, 20), (512, 64, 64, 32), (256, 128, 64, 128)])
    func theAbsorbedFormAgreesWithThePlainOne(latentSize: Int, nopeSize: Int, rotarySize: Int, valueSize: Int) {
        let model = LatentModel(
            latentSize: latentSize, nopeSize: nopeSize, rotarySize: rotarySize, valueSize: valueSize)
        let (absorbed, plain) = (model.absorbed(), model.plain())
        let largest = plain.reduce(0) { max($0, abs($1)) }
        #expect(plain.count == model.rows * model.heads * valueSize && largest > 0.01)
        let farthest = zip(absorbed, plain).reduce(0) { max($0, abs($1.0 - $1.1)) }
        #expect(farthest <= 1e-4 * largest, "\(farthest) of \(largest)")
    }

    @Test func everyVariantOfEveryCaseExists() {
        for kernelCase in LatentAttention.cases {
            for kind in [DeviceTraits.Kind.cpu, .discrete] {
                var traits = DeviceTraits.reference
                (traits.kind, traits.subgroupSize) = (kind, 8)
                let call = KernelCall<LatentAttention>(
                    parameters: .init(words: kernelCase.parameters), constants: .init(words: kernelCase.constants),
                    elements: .init(values: kernelCase.contents.map { $0?.elementType }), flavour: .separate)
                let names = LatentAttention.variants(call, traits)
                #expect(!names.isEmpty && Set(names).count == names.count, "\(kernelCase.label)")
                for name in names { #expect(LatentAttention.interface.variant(named: name) != nil, "\(name)") }
                let isAligned = call.parameters.rotaryStride % 4 == 0 && call.parameters.rotaryOffset % 4 == 0
                #expect(names[0].hasPrefix("texels") == (kind == .cpu && isAligned), "\(kernelCase.label)")
            }
        }
    }

    private func run(_ label: String) throws -> TwinRun<LatentAttention> {
        TwinRun(
            LatentAttention.self, try #require(LatentAttention.cases.first { $0.label.hasPrefix(label) }))
    }
}

private func sameBits(_ a: [Float], _ b: [Float]) -> Bool {
    a.count == b.count && zip(a, b).allSatisfy { $0.bitPattern == $1.bitPattern || ($0.isNaN && $1.isNaN) }
}

extension TwinRun<LatentAttention> {
    /// Positions that a row attends.
    fileprivate func attended(_ row: Int) -> Int {
        min(Int(before[1]!.words[row]) + 1, Int(parameters.cacheCapacity))
    }

    /// [latentSize + rotarySize]
    fileprivate func query(_ row: Int, _ head: Int) -> [Float] {
        let p = parameters
        let latent = (row * Int(p.headCount) + head) * Int(p.latentSize)
        let rotary = row * Int(p.rotaryStride) + Int(p.rotaryOffset) + head * Int(p.rotarySize)
        var query = Array(before[2]!.floats[latent..<latent + Int(p.latentSize)])
        query += before[3]!.floats[rotary..<rotary + Int(p.rotarySize)]
        return query
    }

    fileprivate func result(_ row: Int) -> [Float] {
        let size = Int(parameters.headCount * parameters.latentSize)
        return Array(after[5]!.floats[row * size..<(row + 1) * size])
    }

    fileprivate func with(_ contents: [BufferContents?]) -> KernelCase {
        LatentAttention.makeCase(label, LatentAttention.Contents(values: contents), parameters)
    }

    /// The call for one row of this run alone.
    fileprivate func alone(_ row: Int) -> KernelCase {
        func part(_ binding: Int, _ stride: UInt32) -> [Float] {
            Array(before[binding]!.floats[row * Int(stride)..<(row + 1) * Int(stride)])
        }
        var (p, contents) = (parameters, before)
        let size = p.headCount * p.latentSize
        p.rowCapacity = 1
        contents[0] = .structure(RowCount(count: 1, capacity: 1))
        contents[1] = .words([before[1]!.words[row]])
        contents[2] = .floats(part(2, size))
        contents[3] = .floats(part(3, p.rotaryStride))
        contents[5] = .unwritten(Int(size))
        return LatentAttention.makeCase("\(label), row \(row)", LatentAttention.Contents(values: contents), p)
    }
}

/// One layer of latent attention with random weights, in both forms: the last rows of a sequence whose earlier tokens
/// are in the cache.
private struct LatentModel {
    let heads = 3
    let rows = 5
    /// Tokens of the sequence.
    let tokens = 83
    let capacity = 128
    let latentSize: Int
    let nopeSize: Int
    let rotarySize: Int
    let valueSize: Int
    /// [tokens, latentSize], [tokens, rotarySize]
    private let latents: [Float]
    private let rotaries: [Float]
    /// [rows, heads, nopeSize], [rows, heads, rotarySize]
    private let nopeQueries: [Float]
    private let rotaryQueries: [Float]
    /// [latentSize, heads · (nopeSize + valueSize)]: all heads' keys, then all heads' values.
    private let weights: [Float]
    /// [capacity, latentSize + rotarySize]
    private let cache: [Float]

    init(latentSize: Int, nopeSize: Int, rotarySize: Int, valueSize: Int) {
        var random = CaseGenerator(seed: 144)
        (self.latentSize, self.nopeSize) = (latentSize, nopeSize)
        (self.rotarySize, self.valueSize) = (rotarySize, valueSize)
        latents = random.floats(tokens * latentSize)
        rotaries = random.floats(tokens * rotarySize)
        nopeQueries = random.floats(rows * heads * nopeSize)
        rotaryQueries = random.floats(rows * heads * rotarySize)
        weights = random.floats(
            latentSize * heads * (nopeSize + valueSize), scale: 2 / Float(latentSize).squareRoot())
        // Stored in two passes: what came before, and the rows themselves.
        var cache = BufferContents.unwritten(capacity * (latentSize + rotarySize))
        for pass in [0..<tokens - rows, tokens - rows..<tokens] {
            let run = TwinRun(
                LatentAppend.self,
                LatentAppend.makeCase(
                    "append",
                    .init(
                        rows: .structure(RowCount(count: UInt32(pass.count), capacity: UInt32(pass.count))),
                        slots: .words(pass.map { UInt32($0) }),
                        latent: .floats(Array(latents[pass.lowerBound * latentSize..<pass.upperBound * latentSize])),
                        rotary: .floats(Array(rotaries[pass.lowerBound * rotarySize..<pass.upperBound * rotarySize])),
                        cache: cache),
                    .init(
                        rowCapacity: UInt32(pass.count), latentSize: UInt32(latentSize),
                        rotarySize: UInt32(rotarySize), rotaryStride: UInt32(rotarySize), rotaryOffset: 0,
                        cacheCapacity: UInt32(capacity))))
            cache = run.after[4]!
        }
        self.cache = cache.floats
    }

    private var scale: Float { 1 / Float(nopeSize + rotarySize).squareRoot() }
    private var rowContents: BufferContents { .structure(RowCount(count: UInt32(rows), capacity: UInt32(rows))) }
    private var positions: BufferContents { .words((tokens - rows..<tokens).map { UInt32($0) }) }

    private func weight(_ latent: Int, _ column: Int) -> Double {
        Double(weights[latent * heads * (nopeSize + valueSize) + column])
    }

    /// The queries through the keys' weights, attention to the latents, the result through the values' weights; both
    /// products in double.
    /// - Returns: [rows, heads, valueSize].
    func absorbed() -> [Float] {
        var queries: [Float] = []
        for row in 0..<rows {
            for head in 0..<heads {
                let first = (row * heads + head) * nopeSize
                for latent in 0..<latentSize {
                    var sum = 0.0
                    for d in 0..<nopeSize {
                        sum += Double(nopeQueries[first + d]) * weight(latent, head * nopeSize + d)
                    }
                    queries.append(Float(sum))
                }
            }
        }
        let run = TwinRun(
            LatentAttention.self,
            LatentAttention.makeCase(
                "absorbed",
                .init(
                    rows: rowContents, positions: positions, latentQueries: .floats(queries),
                    rotaryQueries: .floats(rotaryQueries), cache: .floats(cache),
                    result: .unwritten(rows * heads * latentSize)),
                .init(
                    rowCapacity: UInt32(rows), headCount: UInt32(heads), latentSize: UInt32(latentSize),
                    rotarySize: UInt32(rotarySize), rotaryStride: UInt32(heads * rotarySize), rotaryOffset: 0,
                    cacheCapacity: UInt32(capacity), scale: scale)))
        let attended = run.after[5]!.floats
        var result: [Float] = []
        for place in 0..<rows * heads {
            for d in 0..<valueSize {
                let column = heads * nopeSize + place % heads * valueSize + d
                var sum = 0.0
                for latent in 0..<latentSize {
                    sum += Double(attended[place * latentSize + latent]) * weight(latent, column)
                }
                result.append(Float(sum))
            }
        }
        return result
    }

    /// Keys and values of all heads from the cache, then `Attention`.
    /// - Returns: [rows, heads, valueSize].
    func plain() -> [Float] {
        let (width, size, headSize) = (heads * (nopeSize + valueSize), latentSize + rotarySize, nopeSize + rotarySize)
        let counted = TwinRun(
            CachedRows.self,
            CachedRows.makeCase(
                "cached", .init(rows: rowContents, positions: positions, cached: .unwritten(3, as: .u32)),
                .init(rowCapacity: UInt32(rows), cacheCapacity: UInt32(capacity))))
        let cached = counted.after[2]!
        let layout = PackedLayout(depth: latentSize, columns: width, elementType: .f32)
        let product = TwinRun(
            Matmul.self,
            Matmul.makeCase(
                "keys and values",
                .init(
                    rows: cached, source: .floats(cache),
                    weights: .floats(layout.pack { weights[$0 * width + $1] }), result: .unwritten(capacity * width)),
                .init(
                    rowCapacity: UInt32(capacity), depth: UInt32(latentSize), columns: UInt32(width), batchCount: 1,
                    sourceStride: UInt32(size), sourceOffset: 0, sourceBatchStride: 0, resultStride: UInt32(width),
                    resultOffset: 0, resultBatchStride: 0, groupSize: UInt32(latentSize))))
        let expanded = TwinRun(
            LatentExpand.self,
            LatentExpand.makeCase(
                "expand",
                .init(
                    rows: cached, source: product.after[6]!, cache: .floats(cache),
                    keyCache: .unwritten(heads * capacity * headSize),
                    valueCache: .unwritten(heads * capacity * valueSize)),
                .init(
                    rowCapacity: UInt32(capacity), headCount: UInt32(heads), nopeSize: UInt32(nopeSize),
                    valueSize: UInt32(valueSize), latentSize: UInt32(latentSize), rotarySize: UInt32(rotarySize),
                    cacheCapacity: UInt32(capacity))))
        var queries: [Float] = []
        for place in 0..<rows * heads {
            queries += nopeQueries[place * nopeSize..<(place + 1) * nopeSize]
            queries += rotaryQueries[place * rotarySize..<(place + 1) * rotarySize]
        }
        let attended = TwinRun(
            Attention.self,
            Attention.makeCase(
                "plain",
                .init(
                    rows: rowContents, positions: positions, source: .floats(queries), keyCache: expanded.after[3]!,
                    valueCache: expanded.after[4]!, keyCounts: cached,
                    result: .unwritten(rows * heads * valueSize)),
                .init(
                    rowCapacity: rows, headCount: heads, kvHeadCount: heads, headSize: headSize, valueSize: valueSize,
                    sourceStride: heads * headSize, cacheCapacity: capacity, scale: scale)))
        return attended.after[8]!.floats
    }
}
