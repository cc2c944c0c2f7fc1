/// What a device can do at most, as measured on it.
public struct CeilingFigures: Codable, Sendable, Equatable {
    /// Multiply, round, add, round; nil where not measured.
    public var multiplyThenAddOperationsPerSecond: Double?
    /// Fused multiply-add, where the device truly fuses.
    public var multiplyAddOperationsPerSecond: Double?
    /// Products of f16 storage, each widened for itself from a register, as in a matrix product with one row. All
    /// arithmetic is f32: where many products share a widening, `multiplyThenAddOperationsPerSecond` is the ceiling.
    public var f16OperationsPerSecond: Double?
    /// int8 × int8 summed in int32, by the fastest of dot products of packed int8, multiply-adds of int32, and those of
    /// f32, which are exact for int8 up to sums of 2²⁴.
    public var int8OperationsPerSecond: Double?
    public var readBytesPerSecond: Double
    public var copyBytesPerSecond: Double
    /// One dispatch of one workgroup that does nothing, without and with a barrier before it.
    public var dispatchSeconds: Double
    public var barrierSeconds: Double
    /// From submitting an empty plan to seeing its end.
    public var submitSeconds: Double
    public var hostToDeviceBytesPerSecond: Double
    public var deviceToHostBytesPerSecond: Double
    /// One timestamp; nil where the device has none.
    public var timestampSeconds: Double?
    /// ISO 8601, when they were measured.
    public var date: String
    /// The kernel and variant that reached a rate, by the rate's name.
    public var variants: [String: String]?

    public init(
        readBytesPerSecond: Double, copyBytesPerSecond: Double, dispatchSeconds: Double, barrierSeconds: Double,
        submitSeconds: Double, hostToDeviceBytesPerSecond: Double, deviceToHostBytesPerSecond: Double, date: String
    ) {
        self.readBytesPerSecond = readBytesPerSecond
        self.copyBytesPerSecond = copyBytesPerSecond
        self.dispatchSeconds = dispatchSeconds
        self.barrierSeconds = barrierSeconds
        self.submitSeconds = submitSeconds
        self.hostToDeviceBytesPerSecond = hostToDeviceBytesPerSecond
        self.deviceToHostBytesPerSecond = deviceToHostBytesPerSecond
        self.date = date
    }
}

extension CeilingFigures {
    /// Why these cannot be what a device does, or nil.
    public var flaw: String? {
        let figures: [(String, Double?)] = [
            ("multiplyThenAddOperationsPerSecond", multiplyThenAddOperationsPerSecond),
            ("multiplyAddOperationsPerSecond", multiplyAddOperationsPerSecond),
            ("f16OperationsPerSecond", f16OperationsPerSecond), ("int8OperationsPerSecond", int8OperationsPerSecond),
            ("readBytesPerSecond", readBytesPerSecond), ("copyBytesPerSecond", copyBytesPerSecond),
            ("dispatchSeconds", dispatchSeconds), ("barrierSeconds", barrierSeconds), ("submitSeconds", submitSeconds),
            ("hostToDeviceBytesPerSecond", hostToDeviceBytesPerSecond),
            ("deviceToHostBytesPerSecond", deviceToHostBytesPerSecond), ("timestampSeconds", timestampSeconds),
        ]
        for case (let name, let value?) in figures where !(value > 0 && value.isFinite) {
            return "\(name) is \(value), which nothing measures"
        }
        return nil
    }
}
