// swift-tools-version: 6.1
import PackageDescription

let package = Package(
    name: "example",
    dependencies: [.package(name: "vkdyn", path: "../..")],
    targets: [
        .executableTarget(
            name: "Example", dependencies: [.product(name: "Vkdyn", package: "vkdyn")],
            // Names come from the product alone, not from what it is made of.
            swiftSettings: [.enableUpcomingFeature("MemberImportVisibility")])
    ]
)
