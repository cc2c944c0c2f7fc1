// swift-tools-version: 6.0
import PackageDescription

let package = Package(
    name: "vkdyn",
    products: [],
    targets: [
        .target(name: "VkdynCore"),
        .target(name: "VkdynFormats", dependencies: ["VkdynCore"]),
        .testTarget(name: "VkdynFormatsTests", dependencies: ["VkdynFormats"]),
    ]
)
