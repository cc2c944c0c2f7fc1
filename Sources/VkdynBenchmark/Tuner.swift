import VkdynCore
public import VkdynSchedule

extension Tuning {
    /// The device's first choice stays unless another variant is faster by this share: noise decides nothing.
    private static let margin = 0.03

    /// The fastest variants in timings of all of them.
    ///
    /// Where several shapes are of one class, the variant that loses least over all of them, in shares of each shape's
    /// fastest. A variant that was not measured on all of them is not chosen.
    public init(_ timings: [KernelTiming]) {
        self.init()
        var classes: [CallClass: [[KernelTiming]]] = [:]
        for (index, timing) in timings.enumerated() {
            // The timings of one shape follow each other.
            if index > 0, timings[index - 1].call.inputs === timing.call.inputs {
                let shapes = classes[timing.call.callClass]!.count
                classes[timing.call.callClass]![shapes - 1].append(timing)
            } else {
                classes[timing.call.callClass, default: []].append([timing])
            }
        }
        for (call, shapes) in classes {
            var loss: [String: Double] = [:]
            var count: [String: Int] = [:]
            for shape in shapes {
                let best = shape.map(\.minimumSeconds).min() ?? 0
                for timing in shape {
                    loss[timing.call.variant.name, default: 0] += timing.minimumSeconds / best
                    count[timing.call.variant.name, default: 0] += 1
                }
            }
            // The order of the first shape: the device's own first choice is ahead in a tie.
            let candidates = shapes[0].map(\.call.variant.name).filter { count[$0] == shapes.count }
            guard var chosen = candidates.first else { continue }
            let first = loss[chosen]!
            for name in candidates where loss[name]! < loss[chosen]! && loss[name]! < first * (1 - Self.margin) {
                chosen = name
            }
            self[call] = chosen
        }
    }
}
