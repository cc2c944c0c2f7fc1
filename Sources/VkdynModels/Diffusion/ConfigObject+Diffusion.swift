import VkdynFormats

/// Checks of diffusers' configurations, which have a field for everything that a model of theirs might do.
extension ConfigObject {
    /// Throws unless a field is absent or has the value that Stable Diffusion's models have.
    func require(_ field: String, is expected: String) throws(FormatError) {
        guard let found = try optionalString(field), found != expected else { return }
        throw error(field, "\"\(found)\" is not what vkdyn has; expected \"\(expected)\"")
    }

    func require(_ field: String, is expected: Bool) throws(FormatError) {
        guard let found = try optionalBoolean(field), found != expected else { return }
        throw error(field, "\(found) is not what vkdyn has; expected \(expected)")
    }

    func require(_ field: String, is expected: Double) throws(FormatError) {
        guard let found = try optionalNumber(field), found != expected else { return }
        throw error(field, "\(found) is not what vkdyn has; expected \(expected)")
    }

    /// Throws unless a list is absent or has this in every place.
    func require(_ field: String, isAll expected: String) throws(FormatError) {
        guard let other = try optionalStrings(field)?.first(where: { $0 != expected }) else { return }
        throw error(field, "\"\(other)\" is not what vkdyn has; expected \"\(expected)\"")
    }

    /// Throws when a field is there.
    func requireNone(_ fields: String...) throws(FormatError) {
        for field in fields where contains(field) {
            throw error(field, "is set; Stable Diffusion 1 and 2 have none, and neither has vkdyn")
        }
    }

    /// One number for every block, or a list of one for each.
    func perBlock(
        _ field: String, count: Int, in range: ClosedRange<Int> = 1...Int(Int32.max), default fallback: Int? = nil
    ) throws(FormatError) -> [Int] {
        guard let numbers = try optionalIntegers(field, in: range) else {
            return Array(repeating: try integer(field, in: range, default: fallback), count: count)
        }
        if numbers.count == 1 { return Array(repeating: numbers[0], count: count) }
        guard numbers.count == count else {
            throw error(field, "has \(numbers.count) numbers, expected one, or \(count): one for each block")
        }
        return numbers
    }
}
