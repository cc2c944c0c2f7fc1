import Benchmark

/// Times of the kernels that vkdyn is compared by, for a look at a change: no thresholds, as times of shared machines
/// drift. A submit is in the time; `vkdyn bench` measures without it, and beside the device's ceilings.
let benchmarks: @Sendable () -> Void = {
    Benchmark.defaultConfiguration = .init(
        metrics: [.wallClock, .throughput], warmupIterations: 2, maxDuration: .seconds(1), maxIterations: 1000)
    for title in PreparedWork.titles {
        Benchmark(title) { _, work in
            try work.run()
        } setup: {
            try PreparedWork(title)
        }
    }
}
