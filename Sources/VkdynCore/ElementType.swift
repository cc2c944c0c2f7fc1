/// How one element of a tensor is stored in memory.
///
/// Storage only: all float arithmetic in vkdyn is f32 (rule 0 of the arithmetic contract), loads widen
/// exactly and stores narrow through one integer routine.
public enum ElementType: String, Sendable, Hashable, CaseIterable, Codable {
    case f32, f16, bf16, i32, u32, i8, u8, i64, bool
    /// fp8 with 4 bits of exponent and no infinity, of checkpoints alone: no device stores it.
    case f8e4m3

    /// Bytes of one element.
    public var byteCount: Int {
        switch self {
        case .i64: 8
        case .f32, .i32, .u32: 4
        case .f16, .bf16: 2
        case .i8, .u8, .bool, .f8e4m3: 1
        }
    }

    /// The number by which shaders know the type; `types.glsl` has the same ones.
    public var shaderCode: UInt32 {
        switch self {
        case .f32: 0
        case .f16: 1
        case .bf16: 2
        case .i8: 3
        case .u8: 4
        case .i32: 5
        case .u32: 6
        case .i64: 7
        case .bool: 8
        case .f8e4m3: 9
        }
    }

    /// Whether devices store weights in it.
    public var storesWeights: Bool {
        switch self {
        case .f32, .f16, .bf16, .i8: true
        case .i32, .u32, .u8, .i64, .bool, .f8e4m3: false
        }
    }
}
