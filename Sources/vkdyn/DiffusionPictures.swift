import Foundation
import VkdynFormats
import VkdynImage

/// A picture on its way to a file.
struct PictureFile {
    let name: String
    let image: Image
    let texts: [PNGText]
}

/// The folder of `--output`: all of its pictures are written, or none.
struct PictureFolder {
    private let path: String

    init(_ path: String) { self.path = path }

    /// Finds out before a long run what would be found out after it.
    /// - Parameter freeBytes: what the pictures may take.
    func check(freeBytes: Int = 0) throws(SetupError) {
        let files = FileManager.default
        var isFolder: ObjCBool = false
        let exists = files.fileExists(atPath: path, isDirectory: &isFolder)
        if exists, !isFolder.boolValue { throw SetupError("--output: \(path) is a file; expected a folder") }
        let folder = exists ? path : URL(fileURLWithPath: path).deletingLastPathComponent().path
        guard files.isWritableFile(atPath: folder) else {
            throw SetupError(
                exists
                    ? "--output: no permission to write in \(path)"
                    : "--output: \(path) cannot be made; is the folder around it there?")
        }
        guard let free = try? files.attributesOfFileSystem(forPath: folder)[.systemFreeSize] as? NSNumber,
            free.int64Value < freeBytes
        else { return }
        throw SetupError(
            "--output: \(path) has \(free.int64Value) bytes left on its disk; the pictures may take \(freeBytes)")
    }

    /// Writes everything beside where it belongs, then puts it in place; throws where anything cannot be written, and
    /// then leaves nothing behind.
    /// - Parameter others: writes what belongs to the pictures elsewhere, as a whole or not at all.
    func write(_ pictures: [PictureFile], others: () throws -> Void) throws {
        let files = FileManager.default
        let isNew = !files.fileExists(atPath: path)
        let staging = path + "/.vkdyn-\(UUID().uuidString)"
        do {
            do {
                try files.createDirectory(atPath: staging, withIntermediateDirectories: true)
            } catch {
                throw SetupError("--output: \(path) cannot be written; is the folder around it there?")
            }
            for picture in pictures {
                do {
                    try picture.image.writePNG(to: staging + "/" + picture.name, texts: picture.texts)
                } catch {
                    throw FormatError(file: path + "/" + picture.name, field: error.field, problem: error.problem)
                }
            }
            try others()
            for picture in pictures where rename(staging + "/" + picture.name, path + "/" + picture.name) != 0 {
                throw SetupError("--output: \(path)/\(picture.name) cannot be replaced")
            }
            try? files.removeItem(atPath: staging)
        } catch {
            try? files.removeItem(atPath: isNew ? path : staging)
            throw error
        }
    }
}

/// The pictures of all methods, and a sheet of them side by side.
struct DiffusionSheet {
    let settings: DiffusionSettings
    let results: [DiffusionReport.Result]
    /// By method, one a prompt.
    let pictures: [DiffusionMethod: [Image]]

    private static let gap = 12
    /// Small pictures are shown larger, by whole pixels.
    private static let smallestSide = 192

    var names: [String] { results.flatMap(\.pictures) + ["comparison.png"] }

    func files() -> [PictureFile] {
        let single = results.flatMap { result in
            (pictures[result.method] ?? []).enumerated().map { index, image in
                PictureFile(
                    name: settings.fileName(result.method, picture: index), image: image,
                    texts: settings.texts(result.method, picture: index))
            }
        }
        return single + [
            PictureFile(name: "comparison.png", image: comparison(), texts: settings.texts(nil, picture: nil))
        ]
    }

    /// A row a prompt: each method's picture with what it is and how near it is to the baseline.
    private func comparison() -> Image {
        let cells = settings.prompts.indices.map { index in
            results.compactMap { result in
                pictures[result.method].map {
                    (image: zoomed($0[index]), text: text(result, pictures[.baseline]?[index], $0[index]))
                }
            }
        }
        // One size of letters, the larger where all of it fits.
        let fits = cells.joined().allSatisfy { Image.textSize($0.text, scale: 2).width <= $0.image.width }
        let rows = cells.map { row in
            Image.row(row.map { labelled($0.image, $0.text, scale: fits ? 2 : 1) }, gap: Self.gap)
        }
        let sheet = Image.column(rows, gap: Self.gap)
        var framed = Image(width: sheet.width + 2 * Self.gap, height: sheet.height + 2 * Self.gap, color: .white)
        framed.draw(sheet, x: Self.gap, y: Self.gap)
        return framed
    }

    /// What the method is, its share of the work, and how near its picture is; never a time, which changes.
    private func text(_ result: DiffusionReport.Result, _ baseline: Image?, _ image: Image) -> String {
        let name =
            switch result.method {
            case .baseline: "baseline"
            case .deepcache: "DeepCache"
            case .tome: "token merging"
            case .both: "both"
            }
        let work = result.multiplyAddsShare.map { String(format: "%.0f%% of the work", $0 * 100) }
        guard result.method != .baseline, let baseline else { return name + "\n" + (work ?? "") + "\n" }
        let ratio = baseline.peakSignalToNoiseRatio(to: image)
        return [name, work ?? "", ratio.isFinite ? String(format: "PSNR %.1f dB", ratio) : "the same picture"]
            .joined(separator: "\n")
    }

    private func zoomed(_ image: Image) -> Image {
        let large = image.enlarged(max(1, (Self.smallestSide - 1) / max(image.width, image.height) + 1))
        // A white picture ends somewhere, too.
        var framed = Image(width: large.width + 2, height: large.height + 2, color: Color(gray: 200))
        framed.draw(large, x: 1, y: 1)
        return framed
    }

    private func labelled(_ image: Image, _ text: String, scale: Int) -> Image {
        let size = Image.textSize(text, scale: scale)
        // A label may be wider than a very narrow picture.
        var label = Image(width: max(image.width, size.width), height: size.height + Self.gap, color: .white)
        label.draw(text, x: 0, y: Self.gap / 2, scale: scale, color: .black)
        return Image.column([image, label])
    }
}
