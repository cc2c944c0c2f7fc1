public import VkdynSchedule

/// How much of a ceiling a work reached.
public struct CeilingShare: Sendable, Hashable {
    /// The resource of which a work uses the larger share.
    public enum Bound: String, Sendable, Codable { case arithmetic, memory }

    /// Above 1 where work found its data in a cache, or where the row capacity counts more than was done.
    public let value: Double
    public let bound: Bound
}

extension CeilingFigures {
    /// The arithmetic ceiling of a kernel: int8 products have their own; all others are held to the default flavour,
    /// multiply, round, add, round.
    public func operationsPerSecond(of kernel: String) -> Double? {
        if kernel.hasPrefix("int8"), let int8 = int8OperationsPerSecond { return int8 }
        return multiplyThenAddOperationsPerSecond ?? multiplyAddOperationsPerSecond
    }

    /// The larger of the shares of the arithmetic and of the read ceiling; nil where nothing was done or measured.
    public func share(of kernel: String, operations: Int, bytes: Int, seconds: Double) -> CeilingShare? {
        guard seconds > 0, operations > 0 || bytes > 0 else { return nil }
        let arithmetic = operationsPerSecond(of: kernel).map { Double(operations) / seconds / $0 } ?? 0
        let memory = readBytesPerSecond > 0 ? Double(bytes) / seconds / readBytesPerSecond : 0
        guard arithmetic > 0 || memory > 0 else { return nil }
        return arithmetic > memory
            ? CeilingShare(value: arithmetic, bound: .arithmetic) : CeilingShare(value: memory, bound: .memory)
    }
}
