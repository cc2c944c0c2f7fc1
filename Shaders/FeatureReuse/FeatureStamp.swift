import VkdynCore

/// The mirror of `feature_check.glsl`: cached features and the steps that they are of.
public enum FeatureStamp {
    /// The stamp of a feature that was never stored.
    public static let none = UInt32.max

    /// Whether a feature is of the planned step; if not, notes an error, unless one of a lower feature is noted.
    static func isPlanned(
        _ feature: UInt32, stamps: UnsafeBufferPointer<UInt32>, planned: UnsafeBufferPointer<UInt32>,
        error: UnsafeMutablePointer<FeatureError>
    ) -> Bool {
        let (planned, found) = (planned[Int(feature)], stamps[Int(feature)])
        if planned == found, found != none { return true }
        if error.pointee.flag == 0 || feature < error.pointee.feature {
            error.pointee = FeatureError(flag: 1, feature: feature, planned: planned, found: found)
        }
        return false
    }
}

/// Stamps and error records of the cases of the kernels that read cached features.
struct FeatureCase {
    let label: String
    /// The feature's number, among seven.
    let feature: UInt32
    let isStale: Bool
    let error: FeatureError

    static let all: [FeatureCase] = [
        FeatureCase(label: "", feature: 3, isStale: false, error: FeatureError()),
        FeatureCase(label: ", stale", feature: 3, isStale: true, error: FeatureError()),
        FeatureCase(
            label: ", stale after a higher feature", feature: 3, isStale: true,
            error: FeatureError(flag: 1, feature: 4, planned: 9, found: 8)),
        FeatureCase(
            label: ", stale after a lower feature", feature: 3, isStale: true,
            error: FeatureError(flag: 1, feature: 2, planned: 9, found: 8)),
        FeatureCase(
            label: ", stale again", feature: 3, isStale: true,
            error: FeatureError(flag: 1, feature: 3, planned: 9, found: 8)),
        FeatureCase(
            label: ", after another's error", feature: 6, isStale: false,
            error: FeatureError(flag: 1, feature: 0, planned: 9, found: FeatureStamp.none)),
        // Its stamp and the planned one are both none.
        FeatureCase(label: ", never stored", feature: 0, isStale: false, error: FeatureError()),
    ]

    private static let stampValues: [UInt32] = [FeatureStamp.none, 4, 0, 12, 12, 7, 1]

    var stamps: BufferContents { .words(Self.stampValues) }

    var plannedStamps: BufferContents {
        var values = Self.stampValues
        if isStale { values[Int(feature)] += 3 }
        return .words(values)
    }
}
