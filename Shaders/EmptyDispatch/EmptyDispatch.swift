public import VkdynCore

/// What a dispatch costs that does nothing, for `vkdyn profile ceilings`:
/// `result[g] ← result[g] + 1 (mod 2³²)` for `g < min(activeCount, groupCount)`, with an activeCount of 0.
///
/// | buffer | shape                  | type                  |
/// |--------|------------------------|-----------------------|
/// | result | [groupCount], optional | u32, updated in place |
///
/// A workgroup has one invocation and returns at once unless it is active. With a result two calls conflict, so that a
/// plan puts a barrier between them; without one they do not. Inactive groups touch nothing, and neither does any group
/// without a result. Nothing is reduced. Exact.
public enum EmptyDispatch: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent { WorkExtent(Int(parameters.groupCount)) }

    public static func cost(_ call: KernelCall<EmptyDispatch>) -> Cost {
        Cost(operations: 0, bytes: 8 * Int(min(call.parameters.activeCount, call.parameters.groupCount)))
    }

    public static func twin(_ b: Views, _ call: KernelCall<EmptyDispatch>) {
        if b.result.isEmpty { return }
        for group in 0..<Int(min(call.parameters.activeCount, call.parameters.groupCount)) { b.result[group] &+= 1 }
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 33)
        return [(0, 0), (1, 0), (1, 1), (1, 2), (2, 1), (7, 7), (100, 63), (100, 101)].flatMap { groups, active in
            [true, false].map { makeCase(groups: groups, active: active, hasResult: $0, &random) }
        }
    }

    public static var shapes: ShapeSpace {
        ShapeSpace([
            ShapeAxis("groups", 0...300, standard: 1), ShapeAxis("active", 0...300, standard: 0), .flag("result"),
        ])
    }

    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        makeCase(groups: shape["groups"], active: shape["active"], hasResult: shape.has("result"), &random)
    }

    private static func makeCase(
        groups: Int, active: Int, hasResult: Bool, _ random: inout CaseGenerator
    ) -> KernelCase {
        // Among them the largest number, which wraps.
        let counts = (0..<groups).map { $0 % 5 == 3 ? UInt32.max : UInt32(truncatingIfNeeded: random.next()) }
        return makeCase(
            "\(active) of \(groups) groups active" + (hasResult ? "" : ", no result"),
            Contents(result: hasResult ? .words(counts) : nil),
            Parameters(groupCount: UInt32(groups), activeCount: UInt32(active)))
    }
}
