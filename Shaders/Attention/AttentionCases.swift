import VkdynCore

extension Attention {
    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 16)
        return (causalCases + treeCases + fullCases + biasCases + batchCases).map { $0.make(&random) }
    }

    private static var causalCases: [Case] {
        var cases = [
            Case("no rows", positions: [], heads: 2, kvHeads: 1, headSize: 32, cache: 64),
            Case("first token", positions: [0], heads: 1, kvHeads: 1, headSize: 32, cache: 64),
            Case("prefill", positions: Array(0..<67), heads: 2, kvHeads: 1, headSize: 32, cache: 128) { $0.extra = 8 },
            Case("decode", positions: [1099], heads: 8, kvHeads: 2, headSize: 64, cache: 1152),
            Case("long window", positions: [700, 1099], heads: 2, kvHeads: 1, headSize: 32, cache: 1152) {
                $0.window = 600
            },
            Case("verify 5", positions: Array(190..<195), heads: 4, kvHeads: 4, headSize: 64, cache: 256),
            Case("encoder", positions: Array(repeating: 76, count: 77), heads: 3, kvHeads: 3, headSize: 64, cache: 128),
            Case("awkward stride", positions: [10, 80, 81], heads: 3, kvHeads: 3, headSize: 36, cache: 128) {
                $0.extra = 3
            },
            Case("3 of 9", positions: [5, 66, 130], heads: 2, kvHeads: 2, headSize: 64, cache: 192) { $0.capacity = 9 },
            Case("0 of 4", positions: [], heads: 2, kvHeads: 2, headSize: 64, cache: 64) { $0.capacity = 4 },
            Case("9 over a capacity of 3", positions: [7, 8, 9], heads: 2, kvHeads: 2, headSize: 64, cache: 64) {
                $0.count = 9
            },
        ]
        for position in [62, 63, 64, 65, 127, 128, 300] {
            cases.append(
                Case("position \(position)", positions: [position], heads: 2, kvHeads: 2, headSize: 64, cache: 320))
        }
        for (headSize, heads, kvHeads) in [
            (4, 2, 1), (36, 3, 1), (64, 12, 12), (64, 7, 1), (64, 8, 2), (68, 4, 1), (128, 4, 2), (132, 2, 1),
            (160, 2, 2), (256, 4, 4), (260, 2, 1), (512, 1, 1),
        ] {
            for type in [ElementType.f32, .f16] {
                cases.append(
                    Case(
                        "head size \(headSize)", positions: [70, 3, 129], heads: heads, kvHeads: kvHeads,
                        headSize: headSize, cache: 192
                    ) {
                        ($0.extra, $0.type) = (4, type)
                    })
            }
        }
        for (headSize, valueSize, heads, kvHeads) in [
            (192, 128, 4, 1), (64, 32, 2, 2), (20, 256, 2, 1), (512, 64, 2, 1), (256, 512, 1, 1), (48, 404, 2, 2),
        ] {
            for type in [ElementType.f32, .f16] {
                cases.append(
                    Case(
                        "value size \(valueSize)", positions: [70, 3, 129], heads: heads, kvHeads: kvHeads,
                        headSize: headSize, cache: 192
                    ) {
                        ($0.valueSize, $0.type) = (valueSize, type)
                    })
            }
        }
        for window in [1, 5, 63, 64, 65, 100] {
            cases.append(
                Case(
                    "window \(window)", positions: [0, 4, 5, 63, 64, 99, 100, 128, 191], heads: 2, kvHeads: 1,
                    headSize: 32, cache: 192
                ) { $0.window = window })
        }
        for special in Special.allCases {
            cases.append(
                Case("\(special)", positions: [3, 69, 130], heads: 2, kvHeads: 1, headSize: 32, cache: 192) {
                    $0.special = special
                })
        }
        // A row sees its own token alone, whose value is so the result.
        cases.append(
            Case("every f16", positions: Array(0..<256), heads: 1, kvHeads: 1, headSize: 256, cache: 256) {
                ($0.type, $0.window, $0.special) = (.f16, 1, .everyHalf)
            })
        return cases
    }

    /// Trees below position 60 or 130: paths that share and part, in slots out of order.
    private static var treeCases: [Case] {
        [
            Case(
                "ancestors from 60", positions: [60, 61, 61, 62, 63, 66], heads: 4, kvHeads: 2, headSize: 64, cache: 128
            ) { ($0.base, $0.maxDepth) = (60, 8) },
            Case(
                "ancestors from 130", positions: [130, 131, 131], heads: 3, kvHeads: 3, headSize: 128, cache: 192
            ) { ($0.capacity, $0.base, $0.maxDepth) = (5, 130, 2) },
            Case("ancestors, window 6", positions: [60, 64, 66], heads: 2, kvHeads: 2, headSize: 32, cache: 128) {
                ($0.window, $0.base, $0.maxDepth) = (6, 60, 7)
            },
            Case(
                "ancestors in two sequences", positions: [60, 61, 62, 60, 61, 61], heads: 4, kvHeads: 2, headSize: 32,
                cache: 128
            ) { ($0.sequenceRows, $0.base, $0.maxDepth, $0.type) = (3, 60, 3, .f16) },
        ]
    }

    private static var fullCases: [Case] {
        var cases: [Case] = []
        for (rows, keys, cache) in [(1, 1, 64), (9, 64, 64), (17, 65, 128), (33, 77, 128), (2, 0, 64), (3, 192, 192)] {
            cases.append(
                Case("full \(keys)", rows: rows, keys: [keys], heads: 4, kvHeads: 2, headSize: 40, cache: cache))
        }
        for type in [ElementType.f32, .f16] {
            cases.append(
                Case("keys counted", rows: 11, keys: [70], heads: 2, kvHeads: 2, headSize: 64, cache: 128) {
                    ($0.hasKeyCounts, $0.type) = (true, type)
                })
        }
        // A count may cut what positions allow, even to nothing.
        cases.append(
            Case("positions and keys", positions: [10, 64, 100, 101], heads: 2, kvHeads: 1, headSize: 32, cache: 128) {
                ($0.keys, $0.window) = ([70], 30)
            })
        return cases
    }

    private static var biasCases: [Case] {
        var cases: [Case] = []
        for kind in BiasKind.allCases {
            for (rows, keys, heads, kvHeads, headSize) in [(10, 77, 2, 2, 64), (3, 130, 4, 1, 32), (1, 64, 8, 2, 128)] {
                cases.append(
                    Case(
                        "bias \(kind)", rows: rows, keys: [keys], heads: heads, kvHeads: kvHeads, headSize: headSize,
                        cache: 192
                    ) { $0.bias = kind })
            }
            cases.append(
                Case("bias \(kind)", rows: 12, keys: [70, 9, 128], heads: 2, kvHeads: 1, headSize: 32, cache: 128) {
                    ($0.sequenceRows, $0.hasKeyCounts, $0.bias) = (4, true, kind)
                })
            cases.append(
                Case(
                    "causal bias \(kind)", positions: [5, 64, 65, 130, 0], heads: 4, kvHeads: 2, headSize: 32,
                    cache: 192
                ) { $0.bias = kind })
        }
        return cases
    }

    private static var batchCases: [Case] {
        var cases = [
            Case("batch, decode", positions: [3, 64, 190], heads: 4, kvHeads: 1, headSize: 64, cache: 192) {
                $0.sequenceRows = 1
            },
            Case("batch, window", positions: [1, 70, 63, 64, 3, 130], heads: 2, kvHeads: 1, headSize: 32, cache: 192) {
                ($0.sequenceRows, $0.window) = (2, 20)
            },
            Case("batch, stride 3", rows: 10, keys: [33, 100], heads: 2, kvHeads: 2, headSize: 32, cache: 128) {
                ($0.sequenceRows, $0.hasKeyCounts, $0.keyCountStride) = (5, true, 3)
            },
        ]
        // The last sequence is short, or missing.
        for (rows, count) in [(27, 27), (22, 22), (27, 18), (27, 20)] {
            cases.append(
                Case("batch", rows: rows, keys: [66], heads: 3, kvHeads: 3, headSize: 64, cache: 128) {
                    ($0.sequenceRows, $0.count) = (9, count)
                })
        }
        return cases
    }

    public static var shapes: ShapeSpace {
        ShapeSpace(
            [
                ShapeAxis("rows", 0...24, standard: 197), ShapeAxis("keys", 1...260, standard: 197),
                ShapeAxis("heads", 1...4, standard: 12),
                ShapeAxis("headSize", 4...512, multiple: 4, standard: 64, maximum: 512),
                // Query heads of one key/value head.
                ShapeAxis("sharing", 1...8, standard: 1),
                ShapeAxis("valueSize", 0...512, multiple: 4, standard: 0, maximum: 512),
                ShapeAxis("sequences", 1...3, standard: 1), ShapeAxis("window", 0...130, standard: 0),
                .flag("causal"), .flag("ancestors"), .flag("bias"), .flag("counted"),
            ], storage: [.f32, .f16])
    }

    /// Rows are a sequence's; causal rows are the last ones of its keys. heads counts key/value heads; valueSize 0
    /// stands for headSize. Windows and ancestors are of causal calls alone.
    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        let (rows, sequences) = (shape["rows"], shape["sequences"])
        let keys = max(shape["keys"], shape.has("causal") ? rows : 1)
        let cache = (keys + (shape.has("ancestors") ? 2 * rows + 2 : 0) + 63) / 64 * 64
        let label = "random"
        let heads = shape["heads"] * shape["sharing"]
        let positions = (0..<rows * sequences).map { keys - rows + $0 % max(rows, 1) }
        var made =
            shape.has("causal")
            ? Case(
                label, positions: positions, heads: heads, kvHeads: shape["heads"], headSize: shape["headSize"],
                cache: cache)
            : Case(
                label, rows: rows * sequences, keys: [keys], heads: heads, kvHeads: shape["heads"],
                headSize: shape["headSize"], cache: cache)
        if shape.has("valueSize") { made.valueSize = shape["valueSize"] }
        made.type = shape.storage
        if sequences > 1 { made.sequenceRows = max(rows, 1) }
        made.hasKeyCounts = shape.has("counted")
        if shape.has("counted"), sequences > 1 {
            made.keys = (0..<sequences).map { _ in Int.random(in: 0...keys, using: &random) }
        }
        if shape.has("causal") {
            made.window = shape["window"]
            if shape.has("ancestors"), rows > 0 { (made.base, made.maxDepth) = (keys - rows, rows) }
        }
        if shape.has("bias") { made.bias = BiasKind.allCases.randomElement(using: &random) }
        return made.make(&random)
    }
}
