import ArgumentParser
import VkdynCore

/// The storage types of weights by their names; kernels that store something else take its own name.
extension ElementType: ExpressibleByArgument {
    public init?(argument: String) { self.init(rawValue: argument == "int8" ? "i8" : argument) }

    public static var allValueStrings: [String] { ["f32", "f16", "bf16", "int8"] }
}

extension Flavour: ExpressibleByArgument {}

/// A command that cannot start.
struct SetupError: UserFacingError {
    let description: String
    init(_ description: String) { self.description = description }
}
