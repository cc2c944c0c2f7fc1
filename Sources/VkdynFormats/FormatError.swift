import VkdynCore

/// A file from outside that cannot be used: which file, which field or tensor of it, and what is wrong.
public struct FormatError: UserFacingError, Equatable {
    /// Path of the file as the user gave it.
    public let file: String
    /// The field, tensor or byte range, or nil when the whole file is meant.
    public let field: String?
    /// What is wrong and what was expected, in one line.
    public let problem: String

    public init(file: String, field: String? = nil, problem: String) {
        self.file = file
        self.field = field
        self.problem = problem
    }

    public var description: String {
        if let field { "\(file): \(field): \(problem)" } else { "\(file): \(problem)" }
    }
}
