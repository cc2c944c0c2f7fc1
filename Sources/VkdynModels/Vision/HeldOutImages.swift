import Foundation
public import VkdynFormats
public import VkdynImage

/// Pictures that a classifier was not trained on, with their classes: `heldout.json` in its folder, and the sheet of
/// equal tiles that it names.
///
/// Its fields: `image`, a picture file of the same folder; `tileWidth` and `tileHeight` in pixels; `columns`, tiles of
/// a row; `labels`, the class of each tile, from left to right and from top to bottom.
public struct HeldOutImages: Sendable {
    /// Of `heldout.json`.
    public let path: String
    /// One a label.
    public let pictures: [Image]
    /// [pictures]: indices of classes.
    public let labels: [Int]

    /// Whether a model's folder has any.
    public static func exist(in folder: String) -> Bool {
        FileManager.default.fileExists(atPath: folder + "/heldout.json")
    }

    /// - Parameter classCount: what the model tells apart.
    /// - Throws: when a file cannot be read, a field is missing or of another type, a label is no class of the model,
    ///   or tiles and sheet do not fit each other.
    public init(folder: String, classCount: Int) throws(FormatError) {
        path = folder + "/heldout.json"
        let root = try ConfigFile(path: path).root
        let name = try root.string("image")
        guard !name.isEmpty, !name.contains("/"), name != ".", name != ".." else {
            throw root.error("image", "expected the name of a file in the same folder")
        }
        let sides = 1...Image.sideLimit
        let (width, height) = (try root.integer("tileWidth", in: sides), try root.integer("tileHeight", in: sides))
        let columns = try root.integer("columns", in: sides)
        labels = try root.optionalIntegers("labels", in: 0...classCount - 1) ?? []
        guard !labels.isEmpty else { throw root.error("labels", "expected the class of each tile, found none") }
        let sheet = try Image(path: folder + "/" + name)
        guard columns * width == sheet.width else {
            throw root.error(
                "columns", "\(columns) tiles of \(width) pixels are not the \(sheet.width) across that \(name) has")
        }
        let rows = (labels.count - 1) / columns + 1
        guard rows * height == sheet.height else {
            throw root.error(
                "labels",
                "\(labels.count) are \(rows) rows of \(columns) tiles; \(name), \(sheet.height) pixels high, "
                    + "does not have as many rows of \(height)")
        }
        pictures = labels.indices.map { index in
            var tile = Image(width: width, height: height, color: .black)
            tile.draw(sheet, x: -(index % columns) * width, y: -(index / columns) * height)
            return tile
        }
    }
}
