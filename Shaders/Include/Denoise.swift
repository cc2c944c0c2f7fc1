extension DenoiseParameters {
    /// A slot of the history that is none; `denoise.glsl` has the same one.
    public static let noSlot = UInt32.max

    /// The four terms of the next sample, in the order of their addition.
    var terms: [(slot: UInt32, weight: Float)] {
        [(slot0, weight0), (slot1, weight1), (slot2, weight2), (slot3, weight3)]
    }
}
