/// How many tokens to draft in the next round. A pure state machine: no model, no device.
public struct DraftSchedule: Sendable, Equatable {
    public enum Policy: Sendable, Equatable {
        /// Always `length` tokens.
        case constant(length: Int)
        /// Two more after a round that accepted everything, else one fewer, between 1 and `maximum`.
        case heuristic(initial: Int, maximum: Int)
        /// Up to `maximum`, fewer when a drafted token's probability falls below `threshold`.
        case confidence(threshold: Float, maximum: Int)
    }

    public let policy: Policy
    private var length: Int

    public init(_ policy: Policy) {
        self.policy = policy
        switch policy {
        case .constant(let constant): length = constant
        case .heuristic(let initial, _): length = initial
        case .confidence(_, let maximum): length = maximum
        }
    }

    /// The longest draft this schedule may ask for.
    public var maximum: Int {
        switch policy {
        case .constant(let length): length
        case .heuristic(_, let maximum), .confidence(_, let maximum): maximum
        }
    }

    /// - Parameters:
    ///   - room: tokens that may still be generated; one of them is the target's own.
    ///   - draftRoom: tokens that still fit the draft's context.
    public func next(room: Int, draftRoom: Int = .max) -> Int { max(0, min(length, room - 1, draftRoom)) }

    /// Notes what became of a round's drafts.
    public mutating func record(drafted: Int, accepted: Int) {
        // A round without drafts, as prompt lookup has them, says nothing.
        guard drafted > 0, case .heuristic(_, let maximum) = policy else { return }
        length = accepted == drafted ? min(length + 2, maximum) : max(1, length - 1)
    }
}
