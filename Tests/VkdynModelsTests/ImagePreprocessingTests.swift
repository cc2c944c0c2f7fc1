import Foundation
import Testing
import VkdynFormats
import VkdynImage
import VkdynModels

/// Pictures prepared as timm and Hugging Face's processors prepare them: `tools/fixtures/images.py` wrote what they gave.
@Suite struct ImagePreprocessingTests {
    private static let folder =
        URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().path + "/VkdynImageTests/Fixtures"

    /// The configuration's folder, and how many pictures it was tried on.
    @Test(arguments: [
        ("timm_bicubic", 48), ("timm_bilinear", 4), ("timm_squash", 4), ("timm_border", 4), ("timm_wide", 4),
        ("timm_padded", 4), ("timm_defaults", 4), ("vit", 4), ("clip", 4), ("clip_padded", 4),
    ]) func picturesArePreparedAsInTheField(configuration: String, pictureCount: Int) throws {
        let preprocessing = try ImagePreprocessing(folder: Self.folder + "/configurations/" + configuration)
        let tensors = try Safetensors(path: Self.folder + "/images.safetensors")
        let names = tensors.names.filter {
            $0.hasPrefix(configuration + ".") && ($0.hasSuffix(".png") || $0.hasSuffix(".jpg"))
        }
        #expect(names.count == pictureCount)
        for name in names {
            let image = try Image(path: Self.folder + "/" + name.dropFirst(configuration.count + 1))
            let prepared = preprocessing.cropped(image)
            let expected = try tensors.tensor(name)
            #expect([prepared.height, prepared.width, 3] == expected.shape)
            let differences = expected.withUnsafeBytes { zip(prepared.pixels, $0).map { abs(Int($0) - Int($1)) } }
            let largest = try #require(differences.max())
            #expect(
                largest <= (name.hasSuffix(".png") ? 0 : 1),
                "\(name): \(differences.count { $0 > 0 }) differ, by up to \(largest)")
        }
    }

    /// The same bits: scaled, less the mean, by the deviation, in f32.
    @Test(arguments: ["timm_bicubic", "timm_squash", "vit", "clip", "clip_padded"])
    func valuesAreNormalisedAsInTheField(configuration: String) throws {
        let preprocessing = try ImagePreprocessing(folder: Self.folder + "/configurations/" + configuration)
        let tensors = try Safetensors(path: Self.folder + "/images.safetensors")
        let expected = try tensors.tensor(configuration + ".rgb8.png.values")
        let found = try preprocessing.tensor(path: Self.folder + "/rgb8.png")
        #expect([3, found.height, found.width] == expected.shape)
        let pairs = zip(found.values, try expected.floats())
        let first = pairs.enumerated().first { $0.element.0.bitPattern != $0.element.1.bitPattern }
        #expect(
            first == nil,
            "\(pairs.count { $0.bitPattern != $1.bitPattern }) differ, first \(String(describing: first))")
    }

    @Test func aSinglePixelShowsNothing() throws {
        let preprocessing = try ImagePreprocessing(folder: Self.folder + "/configurations/timm_bicubic")
        let path = Self.folder + "/one_pixel.png"
        #expect(
            throws: FormatError(file: path, problem: "is 1×1 pixels; expected a picture with something to see")
        ) { try preprocessing.tensor(path: path) }
    }

    private func timm(_ fields: String) throws(FormatError) -> ImagePreprocessing {
        try ImagePreprocessing(timm: ConfigFile(path: "c", text: "{\"pretrained_cfg\": {\(fields)}}").root)
    }

    private func huggingFace(_ fields: String) throws(FormatError) -> ImagePreprocessing {
        try ImagePreprocessing(huggingFace: ConfigFile(path: "c", text: "{\(fields)}").root)
    }

    @Test func olderFilesOfTimmHaveTheFieldsOutside() throws {
        let text = #"{"architecture": "vit", "input_size": [3, 96, 96], "crop_pct": 1.0, "interpolation": "bilinear"}"#
        let preprocessing = try ImagePreprocessing(timm: ConfigFile(path: "c", text: text).root)
        #expect(preprocessing.resizing == .shorterSide(96))
        #expect(preprocessing.filter == .bilinear)
    }

    @Test func earlyFilesOfHuggingFaceHaveALoneNumber() throws {
        let rest = #""resample": 2, "do_normalize": false"#
        #expect(try huggingFace(#""size": 224, "# + rest).resizing == .exact(width: 224, height: 224))
        let clip = try huggingFace(
            #""feature_extractor_type": "CLIPFeatureExtractor", "size": 224, "do_center_crop": true, "crop_size": 200, "#
                + rest)
        #expect(clip.resizing == .shorterSide(224))
        #expect(clip.crop == .init(width: 200, height: 200, centering: .down))
    }

    @Test(arguments: [
        (#""input_size": [1, 28, 28]"#, "input_size: expected [3, height, width], found [1, 28, 28]"),
        (#""interpolation": "lanczos""#, #"interpolation: expected one of bilinear, bicubic, found "lanczos""#),
        (#""crop_mode": "left""#, #"crop_mode: expected one of center, squash, border, found "left""#),
        (#""crop_pct": 0.01"#, "crop_pct: resizes to 22400×22400 pixels; expected 1 to 16384 a side"),
        (#""std": [1, 1, 0]"#, "std: expected three positive numbers, found [1.0, 1.0, 0.0]"),
        (#""mean": [0.5]"#, "mean: expected three numbers, found [0.5]"),
    ]) func wrongFieldsOfTimmAreNamed(fields: String, problem: String) {
        #expect(throws: (any Error).self) { try timm(fields) }
        do throws(FormatError) { _ = try timm(fields) } catch {
            #expect(error.description == "c: pretrained_cfg." + problem)
        }
    }

    @Test(arguments: [
        (#""size": 224"#, "resample: is missing; expected an integer from 0 to 5"),
        (#""size": 224, "resample": 1"#, "resample: expected 2 (bilinear) or 3 (bicubic), found 1"),
        (#""resample": 2"#, "size: is missing; expected an integer from 1 to 16384"),
        (#""size": {"height": 4}, "resample": 2"#, "size.width: is missing; expected an integer from 1 to 16384"),
        (
            #""size": {"shortest_edge": 4}, "resample": 2"#,
            "do_center_crop: leaves the size to the picture; expected true, with a crop_size"
        ),
        (#""size": 4, "resample": 2"#, "image_mean: is missing; expected three numbers"),
        (
            #""size": 4, "resample": 2, "image_mean": [0, 0, 0]"#,
            "image_std: is missing; expected three positive numbers"
        ),
        (#""do_pad": true"#, "do_pad: is a step that vkdyn does not do; expected false"),
        (#""crop_pct": 0.9"#, "crop_pct: is a field that vkdyn does not read; expected sizes in size and crop_size"),
    ]) func wrongFieldsOfHuggingFaceAreNamed(fields: String, problem: String) {
        #expect(throws: (any Error).self) { try huggingFace(fields) }
        do throws(FormatError) { _ = try huggingFace(fields) } catch {
            #expect(error.description == "c: " + problem)
        }
    }
}
