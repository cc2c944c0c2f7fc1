import Foundation
import Testing
import VkdynFormats
import VkdynModels
import VkdynReference
import VkdynSchedule

@Suite struct RotaryTests {
    /// What transformers computed of a configuration.
    private struct Case: Decodable {
        let name: String
        let headSize: Int
        let attentionFactor: Double
        let frequencies: String
        let cosine: String
        let sine: String
        let keySize: Int?
        let softmaxScale: Double?
    }

    private struct Fixture: Decodable {
        let positions: [Int]
        let cases: [Case]
    }

    private static let path = ModelFixture.path("rotary") + "/yarn.json"

    /// The cases with their configurations as files of their own.
    private func load() throws -> (positions: [Int], cases: [(Case, ConfigFile)]) {
        let data = try Data(contentsOf: URL(fileURLWithPath: Self.path))
        let fixture = try JSONDecoder().decode(Fixture.self, from: data)
        let root = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        let objects = try #require(root["cases"] as? [[String: Any]])
        let cases = try zip(fixture.cases, objects).map { entry, object in
            let text = try JSONSerialization.data(withJSONObject: try #require(object["config"]))
            return (entry, try ConfigFile(path: entry.name, text: String(decoding: text, as: UTF8.self)))
        }
        return (fixture.positions, cases)
    }

    @Test func yarnsFrequenciesAndFactorsAreTransformers() throws {
        let cases = try load().cases
        #expect(cases.count == 16)
        for (expected, config) in cases {
            let rotary = try RotaryConfiguration(config.root, headSize: expected.headSize)
            let frequencies = try ModelFixture.floats(expected.frequencies)
            #expect(frequencies.count == expected.headSize / 2 && rotary.frequencies.count == frequencies.count)
            let wrong = frequencies.indices.filter {
                abs(rotary.frequencies[$0] - frequencies[$0]) > 4 * frequencies[$0].ulp
            }
            #expect(wrong.isEmpty, "\(expected.name): \(wrong)")
            #expect(rotary.attentionFactor == Float(expected.attentionFactor), "\(expected.name)")
            guard let keySize = expected.keySize, let scale = expected.softmaxScale else { continue }
            #expect(abs(rotary.softmaxScale(keySize: keySize) - Float(scale)) <= Float(scale).ulp, "\(expected.name)")
        }
    }

    /// Tables hold transformers' cosines and sines, the factor included: an angle errs by 4 ulp of its frequency.
    @Test func yarnsTablesAreTransformers() throws {
        let (positions, cases) = try load()
        let device = TestDevices.reference
        let count = try #require(positions.last) + 1
        for (expected, config) in cases {
            let rotary = try RotaryConfiguration(config.root, headSize: expected.headSize)
            let table = try RotaryTable(rotary, positionCount: count, device: device)
            let pairs = expected.headSize / 2
            for (buffer, text) in [(table.cosine, expected.cosine), (table.sine, expected.sine)] {
                let found = try device.read(Float.self, from: buffer, count: count * pairs)
                let values = try ModelFixture.floats(text)
                for (index, position) in positions.enumerated() {
                    let bound = rotary.attentionFactor * (Float(position) * 0x1p-20 + 0x1p-22)
                    let wrong = (0..<pairs).filter {
                        abs(found[position * pairs + $0] - values[index * pairs + $0]) > bound
                    }
                    #expect(wrong.isEmpty, "\(expected.name), position \(position): \(wrong)")
                }
            }
        }
    }

    @Test func withoutYaRNNothingIsMultiplied() throws {
        for text in [#"{}"#, #"{"rope_scaling": {"type": "linear", "factor": 4}}"#] {
            let config = try ConfigFile(path: "config.json", text: text)
            let rotary = try RotaryConfiguration(config.root, headSize: 64)
            #expect(rotary.attentionFactor == 1 && rotary.softmaxScale(keySize: 64) == 0.125)
        }
    }

    @Test(
        arguments: [
            (#""rope_scaling": {"type": "zarn"}"#, #"rope_scaling.rope_type: "zarn" is not a scaling"#),
            (
                #""rope_scaling": {"type": "yarn", "factor": 2}"#,
                "rope_scaling.original_max_position_embeddings: is missing, as is max_position_embeddings"
            ),
            (
                #""rope_scaling": {"type": "yarn", "original_max_position_embeddings": 8}"#,
                "rope_scaling.factor: is missing, as is max_position_embeddings"
            ),
            (
                #""rope_scaling": {"type": "yarn", "factor": 0}, "max_position_embeddings": 8"#,
                "rope_scaling.factor: expected a number"
            ),
            (
                #""rope_scaling": {"type": "yarn", "factor": 2, "beta_slow": 40}, "max_position_embeddings": 8"#,
                "rope_scaling.beta_fast: 32.0 is below beta_slow (40.0)"
            ),
            (
                #""rope_scaling": {"type": "yarn", "factor": 2, "truncate": 1}, "max_position_embeddings": 8"#,
                "rope_scaling.truncate: expected true or false"
            ),
            (
                #""rope_scaling": {"type": "yarn", "factor": 2, "mscale": "1"}, "max_position_embeddings": 8"#,
                "rope_scaling.mscale: expected a number"
            ),
            (
                #""rope_scaling": {"type": "yarn", "factor": 2}, "max_position_embeddings": 8, "rope_theta": 1"#,
                "rope_theta: 1 has no logarithm"
            ),
        ]) func aBadScalingIsNamed(fields: String, words: String) throws {
        let config = try ConfigFile(path: "config.json", text: "{\(fields)}")
        let error = #expect(throws: FormatError.self) { try RotaryConfiguration(config.root, headSize: 64) }
        #expect(error?.description.hasPrefix("config.json: " + words) == true, "\(error?.description ?? "")")
    }
}
