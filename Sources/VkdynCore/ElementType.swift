/// How one element of a tensor is stored in memory.
///
/// Storage only: all float arithmetic in vkdyn is f32 (rule 0 of the arithmetic contract), loads widen
/// exactly and stores narrow through one integer routine.
public enum ElementType: String, Sendable, Hashable, CaseIterable, Codable {
    case f32, f16, bf16, i32, u32, i8, u8, i64, bool

    /// Bytes of one element.
    public var byteCount: Int {
        switch self {
        case .i64: 8
        case .f32, .i32, .u32: 4
        case .f16, .bf16: 2
        case .i8, .u8, .bool: 1
        }
    }

    /// Whether the element is a floating-point number.
    public var isFloat: Bool {
        switch self {
        case .f32, .f16, .bf16: true
        case .i32, .u32, .i8, .u8, .i64, .bool: false
        }
    }
}
