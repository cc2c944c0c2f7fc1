import VkdynCore

/// Stable orders of 32-bit keys: what every sort on a device gives.
enum Order {
    /// The indices of keys in sorted order, the lowest index first among equal keys in both directions.
    static func indices(of keys: [UInt32], isDescending: Bool) -> [UInt32] {
        let indices = keys.indices.sorted { a, b in
            if keys[a] == keys[b] { return a < b }
            return isDescending ? keys[a] > keys[b] : keys[a] < keys[b]
        }
        return indices.map { UInt32($0) }
    }
}
