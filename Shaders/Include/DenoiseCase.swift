import VkdynCore

/// Shapes of the kernels that treat all pictures of a diffusion run alike.
struct DenoiseCase {
    let images: Int
    let capacity: Int
    let elements: Int
    let copies: Int

    static let all: [DenoiseCase] = [
        (0, 2, 16, 2), (1, 1, 1, 1), (1, 1, 1, 2), (2, 2, 63, 1), (1, 1, 1023, 2), (2, 2, 1024, 2), (3, 3, 1025, 1),
        (1, 3, 40, 2), (4, 2, 36, 2), (2, 2, 4096, 2), (1, 1, 0, 2),
    ].map { DenoiseCase(images: $0.0, capacity: $0.1, elements: $0.2, copies: $0.3) }

    static let axes = [
        ShapeAxis("images", 0...4, standard: 1), ShapeAxis("elements", 0...3000, standard: 16_384),
        ShapeAxis("copies", 1...2, standard: 2, maximum: 2),
    ]

    init(images: Int, capacity: Int, elements: Int, copies: Int) {
        (self.images, self.capacity, self.elements, self.copies) = (images, capacity, elements, copies)
    }

    init(_ shape: Shape, _ random: inout CaseGenerator) {
        self.init(
            images: shape["images"], capacity: random.capacity(for: shape["images"]), elements: shape["elements"],
            copies: shape["copies"])
    }

    var count: Int { min(images, capacity) }

    var label: String { "images \(images) of \(capacity), \(elements) elements, copies \(copies)" }

    var rowContents: BufferContents {
        .structure(RowCount(count: UInt32(images), capacity: UInt32(capacity)))
    }

    /// [copies · capacity, elements]; rows beyond copies · count hold NaN.
    func rows(_ copies: Int, _ random: inout CaseGenerator) -> [Float] {
        var values = random.floats(copies * capacity * elements)
        for i in copies * count * elements..<values.count { values[i] = .nan }
        return values
    }
}
