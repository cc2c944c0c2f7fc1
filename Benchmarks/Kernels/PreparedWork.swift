import VkdynBenchmark
import VkdynSchedule
import VkdynVulkan

/// The works of `vkdyn bench --suite`, each ready to be run again and again on the first Vulkan device.
///
/// In a file of its own: VkdynBenchmark and the benchmark library both have a `Benchmark`.
struct PreparedWork {
    private let plan: any PreparedPlan

    static let titles = BenchmarkWork.suite.map(\.title)

    private static let device = Result { () throws(DeviceError) in try DeviceList().open("auto") }

    init(_ title: String) throws {
        let device = try Self.device.get()
        guard let work = BenchmarkWork.suite.first(where: { $0.title == title }),
            let call = try work.calls(traits: device.traits, tuning: device.tuning).first
        else { throw UnknownWork(title: title) }
        var options = Benchmark.Options()
        // The library repeats a call over the same buffers; `vkdyn bench` goes through copies.
        options.workingSetBytes = 0
        plan = try Benchmark(device: device, options: options).plan(of: call)
        // Compiles, and touches all memory.
        try plan.run()
    }

    /// One call: one submit.
    func run() throws { try plan.run() }

    struct UnknownWork: Error { let title: String }
}
