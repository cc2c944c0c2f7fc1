// swift-tools-version: 6.1
import PackageDescription

/// Benchmarks of vkdyn on the ecosystem's benchmark library: a package of its own, so that the library is no dependency
/// of vkdyn. Without traits the library counts no allocations and needs no jemalloc.
let package = Package(
    name: "benchmarks",
    dependencies: [
        .package(name: "vkdyn", path: ".."),
        .package(url: "https://github.com/ordo-one/benchmark", from: "1.38.0", traits: []),
    ],
    targets: [
        .executableTarget(
            name: "Kernels",
            dependencies: [
                .product(name: "VkdynBenchmark", package: "vkdyn"), .product(name: "Benchmark", package: "benchmark"),
            ],
            path: "Kernels", plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")]),
        .executableTarget(
            name: "EndToEnd",
            dependencies: [
                .product(name: "VkdynBenchmark", package: "vkdyn"), .product(name: "Benchmark", package: "benchmark"),
            ],
            path: "EndToEnd", plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")]),
    ]
)
