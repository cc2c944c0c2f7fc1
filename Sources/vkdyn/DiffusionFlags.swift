import ArgumentParser
import Foundation
import VkdynSchedule
import VkdynTechniques

/// When DeepCache runs the whole U-Net, and what it keeps.
struct CacheFlags: ParsableArguments {
    @Option(help: "DeepCache: the U-Net runs whole in one of so many steps.")
    var cacheInterval = 3

    @Option(help: "DeepCache: how much of the U-Net runs in the other steps; 0 is the least.")
    var cacheBranch = 0

    @Option(help: "DeepCache: uniform, or non-uniform, with whole steps the denser the nearer they are to a centre.")
    var cacheSchedule = CacheSchedule.uniform

    @Option(help: "DeepCache, non-uniform: how much denser; above 1.")
    var cachePower = 1.4

    @Option(help: "DeepCache, non-uniform: the step around which whole steps lie densest.")
    var cacheCentre = 15

    enum CacheSchedule: String, ExpressibleByArgument, CaseIterable {
        case uniform
        case nonUniform = "non-uniform"
    }

    func validate() throws {
        guard cacheInterval >= 1 else { throw ValidationError("--cache-interval \(cacheInterval): must be 1 or more") }
        guard cacheBranch >= 0 else { throw ValidationError("--cache-branch \(cacheBranch): must be 0 or more") }
        guard cachePower.isFinite, cachePower > 1, cachePower <= 10 else {
            throw ValidationError("--cache-power \(cachePower): must be above 1 and at most 10")
        }
        guard cacheCentre >= 0 else { throw ValidationError("--cache-centre \(cacheCentre): must be 0 or more") }
    }

    var options: DeepCacheOptions {
        DeepCacheOptions(
            policy: cacheSchedule == .uniform
                ? .interval(cacheInterval)
                : .nonUniform(interval: cacheInterval, power: cachePower, centre: cacheCentre), branch: cacheBranch)
    }

    /// For people and for the pictures' texts.
    var summary: String {
        let shape = cacheSchedule == .uniform ? "" : ", non-uniform (power \(cachePower), centre \(cacheCentre))"
        return "interval \(cacheInterval), branch \(cacheBranch)\(shape)"
    }
}

/// What tomesd merges.
struct ToMeFlags: ParsableArguments {
    @Option(help: "Merging: the share of tokens that merge away, 0 to 1.")
    var tomeRatio = 0.5

    @Option(help: "Merging: the tokens that others merge into, random or fixed.")
    var tomeDestinations = Destinations.random

    @Option(help: ArgumentHelp("Merging: one token of so many becomes such a one.", valueName: "WxH"))
    var tomeStride = PictureSize(argument: "2x2")

    @Option(help: "Merging: maps up to so many times smaller than the latents merge.")
    var tomeMaxDownsample = 1

    @Option(
        help: ArgumentHelp("Merging: in which parts, of attention, cross-attention and mlp.", valueName: "part,part,…"))
    var tomeParts = MergedParts.standard

    enum Destinations: String, ExpressibleByArgument, CaseIterable {
        case random, fixed
    }

    func options() throws -> ToMeSDOptions {
        do {
            return try ToMeSDOptions(
                ratio: tomeRatio, cellHeight: tomeStride?.height ?? 2, cellWidth: tomeStride?.width ?? 2,
                maxDownsample: tomeMaxDownsample, randomDestinations: tomeDestinations == .random,
                includesAttention: tomeParts.items.contains(.attention),
                includesCrossAttention: tomeParts.items.contains(.crossAttention),
                includesFeedForward: tomeParts.items.contains(.feedForward))
        } catch {
            let option =
                switch error {
                case .ratio: "--tome-ratio"
                case .cell: "--tome-stride"
                case .downsample: "--tome-max-downsample"
                }
            throw ValidationError("\(option): \(error)")
        }
    }

    /// For people and for the pictures' texts.
    var summary: String {
        "ratio \(tomeRatio), \(tomeDestinations.rawValue) destinations, stride \(tomeStride?.description ?? "2x2"), "
            + "max downsample \(tomeMaxDownsample), \(tomeParts)"
    }
}

/// `attention,mlp`.
struct MergedParts: ExpressibleByArgument, CustomStringConvertible {
    enum Part: String, CaseIterable {
        case attention
        case crossAttention = "cross-attention"
        case feedForward = "mlp"
    }

    let items: Set<Part>

    static let standard = MergedParts(items: [.attention])

    private init(items: Set<Part>) { self.items = items }

    init?(argument: String) {
        let names = argument.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        let known = names.compactMap { Part(rawValue: $0) }
        guard known.count == names.count, !known.isEmpty else { return nil }
        items = Set(known)
    }

    var description: String { Part.allCases.filter { items.contains($0) }.map(\.rawValue).joined(separator: ",") }
}
