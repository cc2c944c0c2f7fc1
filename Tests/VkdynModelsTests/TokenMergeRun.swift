import Testing
import VkdynCore
import VkdynKernels
import VkdynReference
import VkdynSchedule
import VkdynTechniques

/// One merge of a batch, recorded as models record it.
struct TokenMergeRun {
    /// What a recorded merge gave.
    struct Merged {
        var rowCount = 0
        /// [images, tokens]
        var targets: [UInt32] = []
        /// [images, rows, width]
        var rows: [Float] = []
        /// [images, rows]
        var sizes: [Float] = []
        /// [images, tokens, width]
        var unmerged: [Float] = []
        /// [images, tokens]: the rows of the original tokens.
        var sourceMap: [UInt32] = []
    }

    enum Sets {
        case alternating(classToken: Bool, distillationToken: Bool)
        case cells(height: Int, width: Int, seed: UInt32?)
    }

    /// [images, tokens, width]
    var source: [Float]
    var images: Int
    var tokens: Int
    var width: Int
    var r: Int
    var sets: Sets
    /// [images, tokens]
    var sizes: [Float]?
    /// [images, originals]
    var map: [UInt32]?
    var originals: Int
    /// What tokens are matched by, [images, tokens, heads · size]; nil for the source.
    var keys: (values: [Float], heads: Int)?
    /// What is unmerged, [images, rows, width]; nil for what was merged.
    var other: [Float]?

    init(source: [Float], images: Int, tokens: Int, width: Int, r: Int, sets: Sets) {
        (self.source, self.images, self.tokens, self.width, self.r) = (source, images, tokens, width, r)
        self.sets = sets
        originals = tokens
    }

    /// Records one merge of a batch and runs it.
    /// - Returns: nil when there is nothing to merge, and nothing was recorded.
    func merge(on device: any Device) throws -> Merged? {
        func persistent(_ contents: BufferContents, _ label: String) throws -> Buffer {
            try device.makeBuffer(contents, label: label)
        }
        func counted(_ count: Int, _ label: String) throws -> Counted {
            Counted(
                buffer: try persistent(
                    .structure(RowCount(count: UInt32(count), capacity: UInt32(count))), label), capacity: count,
                isIndirect: false)
        }
        let (images, rows) = (try counted(self.images, "images"), try counted(self.images * tokens, "rows"))
        let input = try persistent(.floats(source), "source")
        let sizes = try sizes.map { try persistent(.floats($0), "sizes") }
        let map = try map.map { try persistent(.words($0), "map") }
        var recording = Recording()
        let sets: TokenSets
        switch self.sets {
        case .alternating(let classToken, let distillationToken):
            sets = .alternating(tokenCount: tokens, classToken: classToken, distillationToken: distillationToken)
        case .cells(let height, let columns, let seed):
            let step = try seed.map {
                try persistent(.structure(StepParameters(step: 4, seedLow: $0, seedHigh: 1)), "step")
            }
            sets = .cells(
                height: height, width: columns, cellHeight: 2, cellWidth: 2, step: step, site: 0, into: &recording)
        }
        let (compared, heads) = keys ?? (source, 1)
        let metricWidth = compared.count / (images.capacity * tokens * heads)
        let metric = recording.transient(.f32, count: rows.capacity * metricWidth, "metric")
        recording.dispatch(
            MatchingMetric.self, "metric",
            .init(rows: rows.buffer, source: try persistent(.floats(compared), "keys"), result: metric),
            .init(
                rowCapacity: UInt32(rows.capacity), width: UInt32(metricWidth), headCount: UInt32(heads),
                sourceStride: UInt32(heads * metricWidth), sourceOffset: 0), rows: rows)
        let before = recording.dispatches.count
        guard
            let merge = TokenMerge.record(
                into: &recording, metric: metric, width: metricWidth, sets: sets, r: r, images: images)
        else {
            #expect(recording.dispatches.count == before)
            return nil
        }
        let merged = merge.mergeWithSizes(input, width: width, sizes: sizes, "merge", into: &recording)
        let unmerged = merge.unmerge(
            try other.map { try persistent(.floats($0), "other") } ?? merged.result, width: width, "unmerge",
            into: &recording)
        let newMap = merge.sourceMap(map, originalCount: originals, "map", into: &recording)

        // Transient buffers end with the recording: copies of them stay.
        let one = try counted(1, "one")
        func keep(floats buffer: Buffer) throws -> Buffer {
            let zero = try persistent(.floats([Float](repeating: 0, count: buffer.count)), "zero")
            let copy = try persistent(.unwritten(buffer.count), "copy")
            recording.dispatch(
                Add.self, "copy", .init(rows: one.buffer, left: buffer, right: zero, result: copy),
                .init(rowCapacity: 1, width: UInt32(buffer.count)))
            return copy
        }
        func keep(words buffer: Buffer) throws -> Buffer {
            let copy = try persistent(.unwritten(buffer.count, as: .u32), "copy")
            let count = UInt32(buffer.count)
            recording.dispatch(
                SourceMap.self, "copy", .init(images: one.buffer, targets: buffer, result: copy),
                .init(imageCapacity: 1, tokenCount: count, originalCount: count))
            return copy
        }
        let floats = try [merged.result, merged.sizes, unmerged].map(keep(floats:))
        let words = try [merge.targets, newMap].map(keep(words:))

        let plan = Plan(recording, label: "merge", traits: device.traits)
        #expect(PlanChecker.violations(of: plan) == [])
        try device.prepare(plan).run()
        func values<T: BitwiseCopyable>(_ buffer: Buffer, as type: T.Type = T.self) throws -> [T] {
            try device.read(type, from: buffer, count: buffer.count)
        }
        return Merged(
            rowCount: merge.rowCount, targets: try values(words[0]), rows: try values(floats[0]),
            sizes: try values(floats[1]), unmerged: try values(floats[2]), sourceMap: try values(words[1]))
    }
}
