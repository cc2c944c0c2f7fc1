import Testing
import VkdynFormats

@Suite struct FormatErrorTests {
    @Test func namesFileAndFieldInOneLine() {
        let error = FormatError(file: "model.safetensors", field: "header", problem: "is truncated")
        #expect(error.description == "model.safetensors: header: is truncated")
    }
}
