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
            let loader = WeightLoader(checkpoint: source, device: device, weightType: weightType, progress: progress)
            return try HostSpans.measure(.load, name) {
                try VisionTransformer(configuration: configuration, loader: loader)
            }
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
            return (0..<options.batchSize).map { index in
                var random = CaseGenerator(seed: seed &+ UInt64(index) &+ 1)
                return ToMeImage(
                    name: "seed \(seed), image \(index)",
                    patches: random.floats(configuration.patchCount * configuration.patchSize, scale: 1.7), picture: nil
                )
            }
        }
        if paths.isEmpty, case .folder(let folder) = weights {
            paths = try Self.pictures(in: folder.path + "/examples")
            if paths.isEmpty { throw SetupError("--image is missing: \(folder.path) holds no images of its own") }
        }
        let preprocessing = try preprocessing()
        return try paths.map { path in
            try prepared(try ImagePreprocessing.picture(path: path), name: path, preprocessing)
        }
    }

    /// What the model's folder holds of pictures that it was not trained on, with their classes.
    func heldOut() throws -> (images: [ToMeImage], labels: [Int]) {
        guard case .folder(let folder) = weights else {
            throw SetupError("--accuracy needs a model with held-out images; \(name) has none")
        }
        guard HeldOutImages.exist(in: folder.path) else {
            throw SetupError(
                "--accuracy: \(folder.path) holds no heldout.json, which names held-out images and their classes")
        }
        let heldOut = try HeldOutImages(folder: folder.path, classCount: configuration.classCount)
        let preprocessing = try preprocessing()
        let images = try heldOut.pictures.enumerated().map { index, picture in
            try prepared(picture, name: "\(heldOut.path), image \(index)", preprocessing)
        }
        return (images, heldOut.labels)
    }

    private func prepared(_ picture: Image, name: String, _ preprocessing: ImagePreprocessing) throws -> ToMeImage {
        let seen = preprocessing.cropped(picture)
        let tensor = preprocessing.normalized(seen)
        guard tensor.width == configuration.imageWidth, tensor.height == configuration.imageHeight else {
            throw FormatError(
                file: name,
                problem: "became \(tensor.width)×\(tensor.height) pixels by the model's preprocessing; expected "
                    + "\(configuration.imageWidth)×\(configuration.imageHeight)")
        }
        return ToMeImage(name: name, patches: configuration.patches(of: tensor.values), picture: seen)
    }

    /// As the checkpoint says; timm's defaults where there is none.
    private func preprocessing() throws -> ImagePreprocessing {
        guard configuration.channelCount == 3 else {
            throw SetupError(
                "--model \(name): takes images of \(configuration.channelCount) channels; vkdyn reads red, green and "
                    + "blue")
        }
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
