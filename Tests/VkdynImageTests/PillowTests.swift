import Testing
import VkdynFormats

@testable import VkdynImage

/// Pixels as Pillow decodes them, turned upright and converted to RGB.
@Suite struct PillowTests {
    @Test(arguments: Fixture.names) func everyKindOfFileReadsAsInPillow(name: String) throws {
        let tensors = try Safetensors(path: Fixture.folder + "/images.safetensors")
        let image = try Image(path: Fixture.folder + "/" + name)
        // The two large pictures are compared after resizing only.
        guard tensors.contains("pillow." + name) else {
            #expect(["large.jpg", "tall.jpg"].contains(name))
            return
        }
        let expected = try tensors.tensor("pillow." + name)
        #expect([image.height, image.width, 3] == expected.shape)
        let differences = expected.withUnsafeBytes { zip(image.pixels, $0).map { abs(Int($0) - Int($1)) } }
        // PNG leaves nothing open. JPEG decoders may round differently; those of one family do not.
        let largest = try #require(differences.max())
        let tolerance = name.hasSuffix(".png") ? 0 : 1
        #expect(largest <= tolerance, "\(differences.count { $0 > 0 }) differ, by up to \(largest)")
    }

    @Test func fixturesAreThere() {
        #expect(Fixture.names.count == 48)
    }

    /// The pictures differ from each other where the orientation does, so that a wrong turn shows.
    @Test func orientationsDiffer() throws {
        let images = try (1...8).map { try Image(path: Fixture.folder + "/orientation\($0).jpg") }
        for (index, image) in images.enumerated() {
            #expect((image.width, image.height) == (index < 4 ? (37, 23) : (23, 37)))
            #expect(!images[..<index].contains(image))
        }
    }
}
