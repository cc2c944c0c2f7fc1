import VkdynCore

extension BestMatch {
    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 302)
        var cases: [KernelCase] = []
        func add(_ case: Case, _ change: (inout [Float], Case) -> Void = { _, _ in }) {
            cases.append(`case`.make(&random, change))
        }
        for (tokens, width) in [
            (1, 4), (2, 4), (3, 1), (4, 0), (5, 64), (31, 12), (33, 63), (65, 68), (128, 32), (129, 20), (197, 64),
            (34, 256),
            (19, 260), (12, 516), (7, 257),
        ] {
            add(Case(tokens: tokens, width: width))
        }
        for tokens in [4, 5, 66, 198] {
            add(Case(tokens: tokens, width: 32, classToken: true))
            add(Case(images: 2, tokens: tokens, width: 20, classToken: true, distillationToken: true))
        }
        // No destination to match.
        add(Case(tokens: 3, width: 8, classToken: true, distillationToken: true))
        for (sources, destinations, width) in [
            (48, 16, 64), (3, 1, 5), (75, 24, 40), (5, 0, 8), (0, 4, 8), (150, 50, 36),
        ] {
            add(
                Case(
                    images: 2, tokens: sources + destinations, width: width,
                    parts: (sources, destinations)))
        }
        add(Case(images: 3, capacity: 5, tokens: 20, width: 24))
        add(Case(images: 0, capacity: 2, tokens: 20, width: 24))
        add(Case(images: 6, capacity: 2, tokens: 20, width: 24))
        for width in [8, 7] {
            add(Case(tokens: 70, width: width, label: "all equal")) { metric, _ in
                for i in metric.indices { metric[i] = 0.25 }
            }
            add(Case(tokens: 140, width: width, label: "few directions")) { metric, shape in
                for token in 0..<shape.tokens {
                    for k in 0..<width { metric[token * width + k] = k == token * 7 / 3 % 5 ? 1 : 0 }
                }
            }
            add(Case(tokens: 80, width: width, label: "special values")) { metric, _ in
                func fill(_ token: Int, _ value: Float) {
                    for k in 0..<width { metric[token * width + k] = value }
                }
                // Sources and destinations of NaN, zero of either sign, infinity, and beyond f32's range.
                fill(0, .nan)
                fill(6, 0)
                fill(8, -0.0)
                fill(10, .infinity)
                fill(12, 3e38)
                fill(1, .nan)
                fill(3, 0)
                fill(5, -.infinity)
                fill(7, -0.0)
                metric[20 * width + 2] = .nan
                metric[31 * width + 1] = .infinity
            }
            add(Case(tokens: 40, width: width, label: "every destination NaN", distillationToken: true)) {
                metric, shape in
                for token in stride(from: 1, to: shape.tokens, by: 2) { metric[token * width] = .nan }
            }
        }
        return cases
    }

    public static var shapes: ShapeSpace {
        ShapeSpace([
            ShapeAxis("sources", 0...150, standard: 3072), ShapeAxis("destinations", 0...150, standard: 1024),
            ShapeAxis("width", 0...600, multiple: 4, standard: 320), ShapeAxis("images", 0...3, standard: 1),
            .flag("ragged"), .flag("class"), .flag("distillation"),
        ])
    }

    /// Sources and destinations in equal numbers, or one source more, are the even and the odd tokens; other numbers
    /// have sets of their own.
    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        let (sources, destinations) = (shape["sources"], shape["destinations"])
        let isAlternating = sources == destinations || sources == destinations + 1
        return Case(
            images: shape["images"], tokens: sources + destinations, width: shape["width"] + shape["ragged"],
            classToken: shape.has("class"), distillationToken: shape.has("distillation"),
            parts: isAlternating ? nil : (sources, destinations)
        ).make(&random) { _, _ in }
    }

    private struct Case {
        var images = 1
        var capacity: Int?
        var tokens: Int
        var width: Int
        var label = ""
        var classToken = false
        var distillationToken = false
        /// Sources and destinations in random sets.
        var parts: (sources: Int, destinations: Int)?

        /// - Parameter change: puts special values into the metric.
        func make(_ random: inout CaseGenerator, _ change: (inout [Float], Case) -> Void) -> KernelCase {
            let capacity = self.capacity ?? images
            let sources = parts?.sources ?? (tokens + 1) / 2
            let destinations = parts?.destinations ?? tokens / 2
            var metric = random.floats(capacity * tokens * width)
            for i in min(images, capacity) * tokens * width..<metric.count { metric[i] = .nan }
            change(&metric, self)
            var sets: [UInt32]?
            if parts != nil {
                let shuffled = Array(0..<UInt32(tokens)).shuffled(using: &random)
                sets = shuffled.prefix(sources).sorted() + shuffled.dropFirst(sources).sorted()
            }
            return BestMatch.makeCase(
                "images \(images) of \(capacity), \(sources) × \(destinations) of \(tokens) tokens, width \(width)"
                    + (sets == nil ? "" : ", sets") + (classToken ? ", class token" : "")
                    + (distillationToken ? ", distillation token" : "") + (label.isEmpty ? "" : ", " + label),
                Contents(
                    images: .structure(RowCount(count: UInt32(images), capacity: UInt32(capacity))),
                    metric: .floats(metric), sets: sets.map { .words($0) },
                    scores: .unwritten(capacity * sources), matches: .unwritten(capacity * sources, as: .u32)),
                Parameters(
                    imageCapacity: UInt32(capacity), tokenCount: UInt32(tokens), sourceCount: UInt32(sources),
                    destinationCount: UInt32(destinations), width: UInt32(width), classToken: classToken ? 1 : 0,
                    distillationToken: distillationToken ? 1 : 0))
        }
    }
}
