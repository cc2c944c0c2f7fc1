public import VkdynCore

/// Compares memory bit for bit, except that every NaN that was computed equals every NaN.
public struct BitComparison: Sendable, Equatable {
    /// The first element that differs.
    public struct Difference: Sendable, Equatable, CustomStringConvertible {
        public let index: Int
        public let expected: UInt32
        public let actual: UInt32

        public var description: String {
            func show(_ bits: UInt32) -> String {
                "0x" + String(bits, radix: 16, uppercase: true).leftPadded(to: 8) + " (\(Float(bitPattern: bits)))"
            }
            return "element \(index): expected \(show(expected)), found \(show(actual))"
        }
    }

    public let comparedCount: Int
    public let differenceCount: Int
    public let first: Difference?

    /// - Parameter initial: what both held before, if known. Where the expected memory still holds it nothing was to be
    ///   written, so that a NaN there must be the very same: one that was written over it counts as a difference.
    public init(
        expected: UnsafeRawBufferPointer, actual: UnsafeRawBufferPointer, elementType: ElementType,
        initial: UnsafeRawBufferPointer? = nil
    ) {
        precondition(expected.count == actual.count)
        let stride = elementType.byteCount
        let count = expected.count / stride
        comparedCount = count
        var differences = 0
        var first: Difference?
        if expected.count == 0 || memcmp(expected.baseAddress!, actual.baseAddress!, expected.count) == 0 {
            differenceCount = 0
            self.first = nil
            return
        }
        for index in 0..<count {
            let a = Self.bits(expected, index, elementType)
            let b = Self.bits(actual, index, elementType)
            let isUntouched = initial.map { Self.bits($0, index, elementType) == a } ?? false
            if a != b, isUntouched || !(Self.isNaN(a, elementType) && Self.isNaN(b, elementType)) {
                differences += 1
                if first == nil { first = Difference(index: index, expected: a, actual: b) }
            }
        }
        differenceCount = differences
        self.first = first
    }

    private static func bits(_ bytes: UnsafeRawBufferPointer, _ index: Int, _ type: ElementType) -> UInt32 {
        switch type.byteCount {
        case 4: bytes.loadUnaligned(fromByteOffset: index * 4, as: UInt32.self)
        case 2: UInt32(bytes.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self))
        case 8: UInt32(truncatingIfNeeded: bytes.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self))
        default: UInt32(bytes[index])
        }
    }

    private static func isNaN(_ bits: UInt32, _ type: ElementType) -> Bool {
        switch type {
        case .f32: bits & 0x7FFF_FFFF > 0x7F80_0000
        case .f16: bits & 0x7FFF > 0x7C00
        case .bf16: bits & 0x7FFF > 0x7F80
        default: false
        }
    }
}

extension String {
    fileprivate func leftPadded(to width: Int) -> String {
        String(repeating: "0", count: Swift.max(0, width - count)) + self
    }
}

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif
