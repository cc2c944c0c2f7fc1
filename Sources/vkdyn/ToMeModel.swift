import Foundation
import VkdynCore
import VkdynFormats
import VkdynImage
import VkdynModels
import VkdynSchedule

/// An image, ready for the model.
struct ToMeImage {
    /// The file as it was given.
    let name: String
    /// [patchCount, patchSize].
    let patches: [Float]
    /// What of the picture the model sees; nil for numbers of a seed.
    let picture: Image?
}

/// The classifier of `run tome`, before its weights are loaded: a folder, or an architecture with a seed.
struct ToMeModel {
    private enum Weights {
        case folder(ImageModelFolder)
        case seed(UInt64)
    }

    /// For people.
    let name: String
    let configuration: VisionTransformer.Configuration
    private let weights: Weights

    init(_ options: RunToMe) throws {
        if let seed = options.seedWeights, let architecture = options.model {
            guard let configuration = VisionTransformer.Configuration(architecture: architecture) else {
                throw SetupError(
                    "--model \(architecture): not an architecture that vkdyn knows; "
                        + "with --seed-weights it is a name such as vit_base_patch16_224 or deit3_small_patch16_384")
            }
            name = "\(architecture), weights of seed \(seed)"
            self.configuration = configuration
            weights = .seed(seed)
            return
        }
        guard let path = options.model ?? ShippedModels.folder("digits-vit") else {
            throw SetupError(
                "the shipped model digits-vit is not beside this program; set VKDYN_MODELS to the folder that "
                    + "holds it, or give --model a folder")
        }
        let folder = try ImageModelFolder(path)
        name = URL(fileURLWithPath: path).lastPathComponent
        configuration = folder.configuration
        weights = .folder(folder)
    }

    func load(
        on device: any Device, weightType: ElementType?, progress: @escaping (Int, Int) throws -> Void
    ) throws -> VisionTransformer {
        switch weights {
        case .folder(let folder): return try folder.load(on: device, weightType: weightType, progress: progress)
        case .seed(let seed):
            let source = SeededWeights(seed: seed, byteCount: configuration.parameterCount * 4)
            return try VisionTransformer(
                configuration: configuration,
                loader: WeightLoader(checkpoint: source, device: device, weightType: weightType, progress: progress))
        }
    }

    /// What the checkpoint calls a class.
    func label(_ index: Int) throws(FormatError) -> String? {
        if case .folder(let folder) = weights { return try folder.label(index) }
        return nil
    }

    // MARK: Images

    /// The images that were asked for; else the model's own, or numbers of the seed.
    func images(_ options: RunToMe) throws -> [ToMeImage] {
        var paths = options.image
        if paths.isEmpty, case .seed(let seed) = weights {
            return (0..<options.batch).map { index in
                var random = CaseGenerator(seed: seed &+ UInt64(index) &+ 1)
                return ToMeImage(
                    name: "seed \(seed), image \(index)",
                    patches: random.floats(configuration.patchCount * configuration.patchSize, scale: 1.7), picture: nil
                )
            }
        }
        if paths.isEmpty, case .folder(let folder) = weights {
            paths = try Self.pictures(in: folder.path + "/images")
            if paths.isEmpty { throw SetupError("--image is missing: \(folder.path) holds no images of its own") }
        }
        guard configuration.channelCount == 3 else {
            throw SetupError(
                "--model \(name): takes images of \(configuration.channelCount) channels; "
                    + "vkdyn reads red, green and blue"
            )
        }
        let preprocessing = try preprocessing()
        return try paths.map { path throws(FormatError) in
            let seen = preprocessing.cropped(try ImagePreprocessing.picture(path: path))
            let tensor = preprocessing.normalized(seen)
            guard tensor.width == configuration.imageWidth, tensor.height == configuration.imageHeight else {
                throw FormatError(
                    file: path,
                    problem: "became \(tensor.width)×\(tensor.height) pixels by the model's preprocessing; expected "
                        + "\(configuration.imageWidth)×\(configuration.imageHeight)")
            }
            return ToMeImage(name: path, patches: configuration.patches(of: tensor.values), picture: seen)
        }
    }

    /// As the checkpoint says; timm's defaults where there is none.
    private func preprocessing() throws(FormatError) -> ImagePreprocessing {
        switch weights {
        case .folder(let folder): return try ImagePreprocessing(folder: folder.path)
        case .seed:
            let (width, height) = (configuration.imageWidth, configuration.imageHeight)
            return ImagePreprocessing(
                resizing: .shorterSide(Int(Double(max(width, height)) / 0.9)), filter: .bicubic,
                crop: .init(width: width, height: height, centering: .nearestEven), mean: [0.5, 0.5, 0.5],
                standardDeviation: [0.5, 0.5, 0.5])
        }
    }

    private static func pictures(in folder: String) throws -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.filter { name in
            [".png", ".jpg", ".jpeg"].contains { name.lowercased().hasSuffix($0) }
        }.sorted().map { folder + "/" + $0 }
    }
}
