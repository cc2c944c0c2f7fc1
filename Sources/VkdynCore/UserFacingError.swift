/// An error whose description is one line that a user of the command line can act on: what was wrong, where
/// (file, tensor, flag), what was expected, and what to do.
///
/// `precondition` is for a programmer's mistake; whatever a user's file, flag or driver can cause is thrown as
/// an error of this kind.
public protocol UserFacingError: Error, CustomStringConvertible, Sendable {}
