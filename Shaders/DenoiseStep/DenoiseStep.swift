public import VkdynCore

/// One step of a diffusion sampler, whichever it is: a linear recurrence over the sample x, the net's output and a
/// history of stored pictures. With e the output, or `u + guidance · (c − u)` of the unconditional output u and the
/// conditional one c where there are two copies:
/// `stored = storedSample · x + storedOutput · e`, `history[storedSlot] = stored`, `history[savedSlot] = x`,
/// `sample = sampleWeight · x + Σⱼ weightⱼ · history[slotⱼ] + noiseWeight · noise`, j = 0 … 3.
///
/// | buffer  | shape                         | type |
/// |---------|-------------------------------|------|
/// | images  | one `RowCount`                | u32  |
/// | denoise | one `DenoiseParameters`       | u32  |
/// | output  | [copies · n, elements], as `DenoiseInput`'s result | f32 |
/// | noise   | [n, elements], optional       | f32  |
/// | sample  | [n, elements], read and written | f32 |
/// | history | [slots, imageCapacity, elements], read and written | f32 |
///
/// n is the count of pictures, copies 1 or 2. No units.
/// Order: every product is rounded, and the products that are there are added one after the other to +0, in the order
/// written above. A product whose weight is 0 is left out by selection, whatever it would multiply, and so are terms
/// without a slot and noise that is not bound: memory that no term names is not read.
/// Edge cases: pictures beyond the count are not touched. A term that names the stored or the saved slot sees what this
/// step puts there; where both are one slot that is x. A slot beyond the history is a mistake of the caller.
/// Source: the samplers' own, as `DenoisingSchedule` names them; guidance, Ho and Salimans, arXiv 2207.12598.
/// Error: 2⁻²⁴ · (6 · Σ|weight · value| + 4 · |storedOutput| · (|e| + |guidance| · (|u| + |c|)) · Σ|weightⱼ|), roughly;
/// each product and sum is within half an ulp.
public enum DenoiseStep: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent {
        WorkExtent(Int(parameters.elements), 1, Int(parameters.imageCapacity), rowAxis: .z)
    }

    /// Three pictures of history read and one written, as a sampler of third order has them.
    public static func cost(_ call: KernelCall<DenoiseStep>) -> Cost {
        let p = call.parameters
        let count = Int(p.imageCapacity) * Int(p.elements)
        return Cost(operations: 16 * count, bytes: 4 * count * (6 + Int(p.copies)))
    }

    public static func twin(_ b: Views, _ call: KernelCall<DenoiseStep>) {
        let (p, denoise) = (call.parameters, b.denoise.pointee)
        let elements = Int(p.elements)
        let count = min(Int(b.images.pointee.count), Int(p.imageCapacity))
        func added(_ sum: Float, _ weight: Float, _ value: Float) -> Float { weight == 0 ? sum : sum + weight * value }
        func historyPlace(_ slot: UInt32, _ place: Int) -> Int {
            Int(slot) * Int(p.imageCapacity) * elements + place
        }
        for place in 0..<count * elements {
            let x = b.sample[place]
            var predicted = b.output[place]
            if p.copies == 2 {
                predicted += denoise.guidance * (b.output[count * elements + place] - predicted)
            }
            let stored = added(added(0, denoise.storedSample, x), denoise.storedOutput, predicted)
            var next = added(0, denoise.sampleWeight, x)
            for (slot, weight) in denoise.terms where slot != DenoiseParameters.noSlot {
                var value = stored
                if slot == denoise.savedSlot {
                    value = x
                } else if slot != denoise.storedSlot {
                    value = b.history[historyPlace(slot, place)]
                }
                next = added(next, weight, value)
            }
            if !b.noise.isEmpty { next = added(next, denoise.noiseWeight, b.noise[place]) }
            for (slot, value) in [(denoise.storedSlot, stored), (denoise.savedSlot, x)]
            where slot != DenoiseParameters.noSlot { b.history[historyPlace(slot, place)] = value }
            b.sample[place] = next
        }
    }
}
