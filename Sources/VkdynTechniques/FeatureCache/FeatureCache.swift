public import VkdynCore
import VkdynKernels
public import VkdynSchedule

/// Cached features on a device, each with the step that it is of.
///
/// Before each step `plan` tells the device which step's features it shall find. Reusing another one fills the result
/// with NaN and notes an error, which `check` throws after the step: a stale feature is never silently used.
public struct FeatureCache: Sendable {
    /// One `StepParameters`, which the owner of the run writes before each step.
    public let stepParameters: Buffer
    /// [features] each.
    private let stamps: Buffer
    private let plannedStamps: Buffer
    /// One `FeatureError`.
    private let error: Buffer
    public let features: [Feature]

    /// One cached feature map.
    public struct Feature: Sendable {
        /// Its place among the cache's features.
        public let number: Int
        /// [rows, width]
        public let buffer: Buffer
        public let width: Int
    }

    /// - Parameters:
    ///   - features: the model's path to each, its rows at most and its width.
    ///   - storage: f32, or f16 for half the memory; f16 rows have an even width.
    public init(
        on device: any Device, stepParameters: Buffer, features: [(label: String, rowCapacity: Int, width: Int)],
        storage: ElementType = .f32
    ) throws(DeviceError) {
        precondition(storage == .f32 || storage == .f16, "features are stored in f32 or f16")
        self.stepParameters = stepParameters
        // Whole texels, and never an empty buffer.
        func padded(_ count: Int) -> Int { max((count + 3) / 4 * 4, 4) }
        let none = [UInt32](repeating: FeatureStamp.none, count: padded(features.count))
        stamps = try device.makeBuffer(.words(none), label: "features.stamps")
        plannedStamps = try device.makeBuffer(.words(none), placement: .shared, label: "features.planned_stamps")
        error = try device.makeBuffer(.structure(FeatureError()), placement: .shared, label: "features.error")
        var made: [Feature] = []
        for feature in features {
            precondition(storage == .f32 || feature.width % 2 == 0, "\(feature.label): f16 features have an even width")
            made.append(
                Feature(
                    number: made.count,
                    buffer: try device.makeBuffer(
                        storage, count: padded(feature.rowCapacity * feature.width), placement: .device,
                        label: feature.label), width: feature.width))
        }
        self.features = made
    }

    // MARK: Steps

    /// Forgets all features and any error, for a new run.
    public func reset(on device: any Device) throws(DeviceError) {
        let none = [UInt32](repeating: FeatureStamp.none, count: stamps.count)
        try device.write(none, to: stamps)
        try device.write(none, to: plannedStamps)
        try device.write(FeatureError(), to: error)
    }

    /// Tells the device which step each feature is reused from in the step to come; what is computed needs no plan.
    public func plan(_ actions: [FeatureAction], on device: any Device) throws(DeviceError) {
        precondition(actions.count == features.count, "one action a feature")
        try device.write(
            actions.map { action in
                if case .reuse(let step) = action { UInt32(step) } else { FeatureStamp.none }
            }, to: plannedStamps)
    }

    /// What a step's readback has to include, for `check`.
    public var errorPart: BufferPart { BufferPart(error, byteRange: 0..<error.byteCount) }

    /// - Parameter bytes: those of `errorPart`, read after a step.
    /// - Throws: when the step reused a feature of another step than planned.
    public func check(_ bytes: [UInt8]) throws(StaleFeature) {
        let error = bytes.withUnsafeBytes { $0.loadUnaligned(as: FeatureError.self) }
        guard error.flag != 0 else { return }
        throw StaleFeature(
            label: features[Int(error.feature)].buffer.label, planned: error.planned,
            found: error.found == FeatureStamp.none ? nil : error.found)
    }

    // MARK: Recording

    /// Stores a feature map, [rows, width], with the step's number.
    public func store(_ source: Buffer, as feature: Feature, rows: Counted, into recording: inout Recording) {
        recording.dispatch(
            FeatureStore.self, "store",
            .init(
                rows: rows.buffer, stepParameters: stepParameters, source: source, cache: feature.buffer,
                stamps: stamps),
            .init(
                rowCapacity: UInt32(rows.capacity), width: UInt32(feature.width), feature: UInt32(feature.number)),
            rows: rows)
    }

    /// A feature map as it was stored, or `cachedScale` of it plus `freshScale` of a fresh one, [rows, width].
    public func reuse(
        _ feature: Feature, blendedWith fresh: Buffer? = nil, cachedScale: Float = 1, freshScale: Float = 1,
        rows: Counted, into recording: inout Recording
    ) -> Buffer {
        let result = recording.transient(.f32, count: rows.capacity * feature.width, "reused")
        recording.dispatch(
            FeatureReuse.self, "reuse",
            .init(
                rows: rows.buffer, cache: feature.buffer, stamps: stamps, plannedStamps: plannedStamps, fresh: fresh,
                featureError: error, result: result),
            .init(
                rowCapacity: UInt32(rows.capacity), width: UInt32(feature.width), feature: UInt32(feature.number),
                cachedScale: cachedScale, freshScale: freshScale), rows: rows)
        return result
    }

    /// A cached feature map and a fresh one side by side, the cached channels first: [rows, width + freshWidth].
    public func concatenate(
        _ feature: Feature, with fresh: Buffer, freshWidth: Int, isFreshFirst: Bool = false, rows: Counted,
        into recording: inout Recording
    ) -> Buffer {
        let result = recording.transient(.f32, count: rows.capacity * (feature.width + freshWidth), "concatenated")
        recording.dispatch(
            FeatureConcatenate.self, "concatenate",
            .init(
                rows: rows.buffer, cache: feature.buffer, stamps: stamps, plannedStamps: plannedStamps, fresh: fresh,
                featureError: error, result: result),
            .init(
                rowCapacity: UInt32(rows.capacity), cachedWidth: UInt32(feature.width), freshWidth: UInt32(freshWidth),
                feature: UInt32(feature.number), freshFirst: isFreshFirst ? 1 : 0), rows: rows)
        return result
    }
}

/// A step reused a cached feature that was not of the planned step.
public struct StaleFeature: UserFacingError, Equatable {
    public let label: String
    public let planned: UInt32
    /// nil: the feature was never stored.
    public let found: UInt32?

    public var description: String {
        "\(label) was to be reused from step \(planned), but the cache holds "
            + (found.map { "that of step \($0)" } ?? "none") + "; the schedule and the recorded steps disagree"
    }
}
