/// The Swift mirror of `reduction.glsl`: sums over 64 strided lanes and a fixed binary tree.
public enum Reduction {
    public static let laneCount = 64

    /// Lane l adds elements l, l + 64, l + 128 … in ascending order from +0; then lane l + 32 is added to lane l for
    /// l < 32, lane l + 16 for l < 16, and so on down to l + 1. No elements give +0.
    @inline(__always)
    public static func sum(count: Int, element: (Int) -> Float) -> Float {
        withUnsafeTemporaryAllocation(of: Float.self, capacity: laneCount) { lanes in
            lanes.initialize(repeating: 0)
            for index in 0..<count { lanes[index % laneCount] += element(index) }
            var distance = laneCount / 2
            while distance > 0 {
                for lane in 0..<distance { lanes[lane] += lanes[lane + distance] }
                distance /= 2
            }
            return lanes[0]
        }
    }

    /// The largest order key; 0, the key of NaN, when there are no elements.
    @inline(__always)
    public static func maximumKey(count: Int, element: (Int) -> Float) -> UInt32 {
        var maximum: UInt32 = 0
        for index in 0..<count { maximum = max(maximum, Functions.orderKey(element(index))) }
        return maximum
    }
}
