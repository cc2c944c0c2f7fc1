import Benchmark
import Foundation
import VkdynSchedule
import VkdynTechniques
import VkdynVulkan

/// A generation with the shipped pair, plain and speculative: its time, and the counts that `Thresholds` gates.
///
/// With `VKDYN_COUNTS_ONLY` in the environment, as `Benchmarks/check` sets it, each runs once and no time is recorded.
let benchmarks: @Sendable () -> Void = {
    let countsOnly = ProcessInfo.processInfo.environment["VKDYN_COUNTS_ONLY"] != nil
    // A count is of a whole generation, not of a share of it.
    let counts = GenerationCounts().figures.map {
        BenchmarkMetric.custom($0.name, polarity: .prefersSmaller, useScalingFactor: false)
    }
    Benchmark.defaultConfiguration = .init(
        metrics: countsOnly ? counts : [.wallClock, .throughput] + counts, warmupIterations: countsOnly ? 0 : 1,
        maxDuration: .seconds(countsOnly ? 600 : 5), maxIterations: countsOnly ? 1 : 100)
    for work in CountedGeneration.Work.allCases {
        Benchmark(work.rawValue) { (benchmark: Benchmark, generation: CountedGeneration) in
            benchmark.startMeasurement()
            let result = try generation.run()
            benchmark.stopMeasurement()
            let figures = generation.counts(of: result).figures
            for (metric, figure) in zip(counts, figures) { benchmark.measurement(metric, figure.value) }
        } setup: { () -> CountedGeneration in
            // What tuning found on this machine decides no count, but need not be trusted not to.
            let device = try DeviceList(options: .init(usesTuning: false)).open("auto")
            let pair = try SpeculativeFolders(target: .shipped, draft: .shipped).load(on: device)
            return try CountedGeneration(work, on: device, pair: pair)
        }
    }
}
