import VkdynCore

/// The Swift mirror of `arithmetic.glsl`.
public protocol Arithmetic {
    /// a · b + c in one flavour.
    static func multiplyAdd(_ a: Float, _ b: Float, _ c: Float) -> Float
}

public enum SeparateArithmetic: Arithmetic {
    @inline(__always)
    public static func multiplyAdd(_ a: Float, _ b: Float, _ c: Float) -> Float { a * b + c }
}

public enum FusedArithmetic: Arithmetic {
    @inline(__always)
    public static func multiplyAdd(_ a: Float, _ b: Float, _ c: Float) -> Float { c.addingProduct(a, b) }
}

/// Products of a dot product are added in ascending index inside chunks of this length, chunk sums in ascending
/// order. One constant for every device and kernel.
public let dotProductChunk = 256
