import Dispatch
import Synchronization

/// Runs blocking work, one piece after another, on a thread that is not one of Swift's cooperative threads: a decode
/// blocks for as long as the device computes.
final class WorkThread: Sendable {
    private let queue = DispatchQueue(label: "vkdyn.work")

    func start(_ work: @escaping @Sendable () -> Void) { queue.async(execute: work) }

    /// - Parameter work: blocks; asks its argument from time to time whether the calling task was cancelled.
    func run<Result: Sendable>(
        _ work: @escaping @Sendable (CancellationFlag) throws -> Result
    ) async throws -> Result {
        let flag = CancellationFlag()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                queue.async { continuation.resume(with: Swift.Result { try work(flag) }) }
            }
        } onCancel: {
            flag.set()
        }
    }
}

/// Set once, from any thread.
final class CancellationFlag: Sendable {
    private let flag = Atomic<Bool>(false)

    var isSet: Bool { flag.load(ordering: .relaxed) }

    func set() { flag.store(true, ordering: .relaxed) }

    func check() throws(CancellationError) {
        if isSet { throw CancellationError() }
    }
}
