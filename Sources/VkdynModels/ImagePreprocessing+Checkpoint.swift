import Foundation
public import VkdynFormats
public import VkdynImage

/// A checkpoint's own words on how its pictures are prepared.
extension ImagePreprocessing {
    /// Reads the folder of a checkpoint: timm's `config.json`, or else Hugging Face's `preprocessor_config.json` or
    /// `processor_config.json`. Throws when none is there, or states what vkdyn does not do.
    public init(folder: String) throws(FormatError) {
        func path(_ name: String) -> String? {
            let path = folder + "/" + name
            return FileManager.default.fileExists(atPath: path) ? path : nil
        }
        if let path = path("config.json") {
            let config = try ConfigFile(path: path).root
            if config.contains("pretrained_cfg") || config.contains("input_size") {
                try self.init(timm: config)
                return
            }
        }
        if let path = path("preprocessor_config.json") {
            try self.init(huggingFace: ConfigFile(path: path).root)
        } else if let path = path("processor_config.json") {
            try self.init(huggingFace: ConfigFile(path: path).root.object("image_processor"))
        } else {
            throw FormatError(
                file: folder,
                problem:
                    "does not say how pictures are prepared; expected timm's config.json or preprocessor_config.json")
        }
    }

    // MARK: timm

    private enum CropMode: String, CaseIterable {
        case center, squash, border
    }

    /// From timm's `config.json`: its `pretrained_cfg`, or the object itself where older files have no such field. What
    /// is absent is as timm's `resolve_data_config` has it, and the steps are those of its `create_transform` for
    /// evaluation.
    public init(timm config: ConfigObject) throws(FormatError) {
        let fields = try config.optionalObject("pretrained_cfg") ?? config
        let size = try fields.optionalIntegers("input_size", in: 1...Image.sideLimit) ?? [3, 224, 224]
        guard size.count == 3, size[0] == 3 else {
            throw fields.error("input_size", "expected [3, height, width], found \(size)")
        }
        let (height, width) = (size[1], size[2])
        // How much of the resized picture is kept.
        let kept = try fields.number("crop_pct", in: 0.01...100, default: 0.875)
        let resized = (width: Int(Double(width) / kept), height: Int(Double(height) / kept))
        guard (1...Image.sideLimit).contains(resized.width), (1...Image.sideLimit).contains(resized.height) else {
            throw fields.error(
                "crop_pct",
                "resizes to \(resized.width)×\(resized.height) pixels; expected 1 to \(Image.sideLimit) a side")
        }
        let mean = try fields.channels("mean") ?? [0.485, 0.456, 0.406]
        let deviation = try fields.channels("std", isPositive: true) ?? [0.229, 0.224, 0.225]

        let resizing: Resizing
        var fill = Color.black
        switch try fields.choice("crop_mode", of: CropMode.self, default: .center) {
        case .center where resized.width == resized.height: resizing = .shorterSide(resized.width)
        case .center: resizing = .covering(width: resized.width, height: resized.height)
        case .squash: resizing = .exact(width: resized.width, height: resized.height)
        case .border:
            resizing = .fitting(width: resized.width, height: resized.height)
            let shades = mean.map { UInt8(clamping: Int(($0 * 255).rounded(.toNearestOrEven))) }
            fill = Color(red: shades[0], green: shades[1], blue: shades[2])
        }
        self.init(
            resizing: resizing,
            filter: try fields.choice("interpolation", default: .bicubic),
            crop: Crop(width: width, height: height, centering: .nearestEven, fill: fill),
            mean: mean, standardDeviation: deviation)
    }

    // MARK: Hugging Face

    /// From the fields of Hugging Face's image processors for vision transformers (ViT, DeiT, CLIP, BiT and their
    /// kind). The result has one size, whatever the picture's.
    public init(huggingFace fields: ConfigObject) throws(FormatError) {
        for step in ["do_pad", "do_thumbnail", "do_flip_channel_order", "do_align_axis"]
        where try fields.boolean(step, default: false) {
            throw fields.error(step, "is a step that vkdyn does not do; expected false")
        }
        if fields.contains("crop_pct") {
            throw fields.error("crop_pct", "is a field that vkdyn does not read; expected sizes in size and crop_size")
        }
        let (resizing, filter) = try Self.resizing(fields)
        let crop = try Self.crop(fields)
        if case .exact = resizing {
        } else if crop == nil {
            throw fields.error("do_center_crop", "leaves the size to the picture; expected true, with a crop_size")
        }

        let isRescaled = try fields.boolean("do_rescale", default: true)
        let factor = isRescaled ? try fields.number("rescale_factor", in: 1e-6...1e6, default: 1 / 255) : 1
        guard try fields.boolean("do_normalize", default: true) else {
            self.init(resizing: resizing, filter: filter, crop: crop, rescaleFactor: factor)
            return
        }
        guard let mean = try fields.channels("image_mean") else {
            throw fields.error("image_mean", "is missing; expected three numbers")
        }
        guard let deviation = try fields.channels("image_std", isPositive: true) else {
            throw fields.error("image_std", "is missing; expected three positive numbers")
        }
        self.init(
            resizing: resizing, filter: filter, crop: crop, rescaleFactor: factor, mean: mean,
            standardDeviation: deviation)
    }

    private static func resizing(_ fields: ConfigObject) throws(FormatError) -> (Resizing, ResamplingFilter) {
        guard try fields.boolean("do_resize", default: true) else { return (.none, .bicubic) }
        let filter: ResamplingFilter
        // Pillow's numbers.
        switch try fields.integer("resample", in: 0...5) {
        case 2: filter = .bilinear
        case 3: filter = .bicubic
        case let other: throw fields.error("resample", "expected 2 (bilinear) or 3 (bicubic), found \(other)")
        }
        let sides = 1...Image.sideLimit
        guard fields.isObject("size") else {
            // Early files have a lone number: a square, or the shorter side with the processors that keep proportions.
            let side = try fields.integer("size", in: sides)
            let types = try [
                fields.optionalString("image_processor_type"), fields.optionalString("feature_extractor_type"),
            ].compactMap(\.self)
            let keepsProportions = types.contains { $0.hasPrefix("CLIP") || $0.hasPrefix("Bit") }
            return (keepsProportions ? .shorterSide(side) : .exact(width: side, height: side), filter)
        }
        let size = try fields.object("size")
        if size.contains("shortest_edge") {
            return (.shorterSide(try size.integer("shortest_edge", in: sides)), filter)
        }
        let (width, height) = try (size.integer("width", in: sides), size.integer("height", in: sides))
        return (.exact(width: width, height: height), filter)
    }

    private static func crop(_ fields: ConfigObject) throws(FormatError) -> Crop? {
        guard try fields.boolean("do_center_crop", default: false) else { return nil }
        let sides = 1...Image.sideLimit
        guard fields.isObject("crop_size") else {
            let side = try fields.integer("crop_size", in: sides)
            return Crop(width: side, height: side, centering: .down)
        }
        let size = try fields.object("crop_size")
        return Crop(
            width: try size.integer("width", in: sides), height: try size.integer("height", in: sides),
            centering: .down)
    }
}

extension ConfigObject {
    /// Three numbers, one a channel; nil when absent.
    fileprivate func channels(_ field: String, isPositive: Bool = false) throws(FormatError) -> [Double]? {
        guard let values = try optionalNumbers(field) else { return nil }
        guard values.count == 3, !isPositive || values.allSatisfy({ $0 > 0 }) else {
            throw error(field, "expected three \(isPositive ? "positive " : "")numbers, found \(values)")
        }
        return values
    }
}
