import TestSupport
import Testing

@testable import VkdynFormats

@Suite struct ConfigFileTests {
    private enum Activation: String, CaseIterable {
        case relu, gelu
    }

    private func root(_ text: String) throws -> ConfigObject {
        try ConfigFile(path: "config.json", text: text).root
    }

    @Test func fieldsAreReadWithTheirTypes() throws {
        let root = try root(
            """
            {"hidden_size": 4096, "rms_norm_eps": 1e-05, "theta": 10000, "tie": true, "act": "gelu", "none": null,
             "rope_scaling": {"factor": 8.0}, "eos": [1, 2], "one": 3, "names": ["a"], "layers": [{"n": 1}], "s": "\\u00e9"}
            """)
        #expect(try root.integer("hidden_size") == 4096)
        #expect(try root.number("rms_norm_eps") == 1e-5)
        #expect(try root.number("theta") == 10000)
        #expect(try root.boolean("tie"))
        #expect(try root.choice("act", of: Activation.self) == .gelu)
        #expect(try root.choice("missing", default: Activation.relu) == .relu)
        #expect(try root.object("rope_scaling").number("factor") == 8)
        #expect(try root.optionalIntegers("eos") == [1, 2])
        #expect(try root.optionalIntegers("one") == [3])
        #expect(try root.optionalStrings("names") == ["a"])
        #expect(try root.optionalObjects("layers")?.first?.integer("n") == 1)
        #expect(try root.string("s") == "é")
        #expect(!root.contains("none"))
        #expect(try root.optionalInteger("none") == nil)
        #expect(try root.integer("none", default: 7) == 7)
        #expect(try root.optionalObject("missing") == nil)
    }

    @Test func aWrongFieldIsNamedWithWhatWasExpected() throws {
        let root = try root(
            #"{"h":"x","z":0,"f":1.5,"t":"yes","n":{"k":-1},"l":[1,"a"],"a":"tanh","big":1e30,"inf":Infinity,"d":[{},3]}"#
        )
        func check(_ expected: String, _ body: (ConfigObject) throws(FormatError) -> Void) {
            #expect(message { () throws(FormatError) in try body(root) } == "config.json: " + expected)
        }
        check(#"h: expected a positive integer, found "x""#) { (r) throws(FormatError) in _ = try r.integer("h") }
        check("z: expected a positive integer, found 0") { (r) throws(FormatError) in _ = try r.integer("z") }
        check("f: expected a positive integer, found 1.5") { (r) throws(FormatError) in _ = try r.integer("f") }
        check("z: expected an integer from 2 to 8, found 0") { (r) throws(FormatError) in
            _ = try r.integer("z", in: 2...8)
        }
        check("q: is missing; expected a positive integer") { (r) throws(FormatError) in _ = try r.integer("q") }
        check(#"t: expected true or false, found "yes""#) { (r) throws(FormatError) in _ = try r.boolean("t") }
        check("z: expected a string, found 0") { (r) throws(FormatError) in _ = try r.string("z") }
        check("n.k: expected a positive integer, found -1") { (r) throws(FormatError) in
            _ = try r.object("n").integer("k")
        }
        check(#"l[1]: expected a positive integer, found "a""#) { (r) throws(FormatError) in
            _ = try r.optionalIntegers("l")
        }
        check(#"a: expected one of relu, gelu, found "tanh""#) { (r) throws(FormatError) in
            _ = try r.choice("a", of: Activation.self)
        }
        check("big: expected a positive integer, found 1e+30") { (r) throws(FormatError) in
            _ = try r.integer("big")
        }
        check("inf: expected a finite number, found inf") { (r) throws(FormatError) in _ = try r.number("inf") }
        check("f: expected a number from 0.0 to 1.0, found 1.5") { (r) throws(FormatError) in
            _ = try r.number("f", in: 0...1)
        }
        check("d[1]: expected an object, found 3") { (r) throws(FormatError) in _ = try r.optionalObjects("d") }
        check("h: expected an object, found \"x\"") { (r) throws(FormatError) in _ = try r.object("h") }
    }

    @Test(arguments: [
        ("", "line 1, column 1: ends where a value was expected"),
        ("{\"a\":1,\n \"b\" 2}", "line 2, column 6: expected ':' after a key"),
        ("{\"a\":1,}", "line 1, column 8: expected a key in double quotes"),
        ("{} x", "line 1, column 4: text after the end of the value"),
        ("{\"a\":01}", "line 1, column 6: a number with a leading zero"),
        ("{\"a\":1e999}", "line 1, column 6: a number out of range"),
        ("{\"a\":-}", "line 1, column 7: expected a digit"),
        ("{\"a\":\"\\x\"}", "line 1, column 8: an unknown escape in a string"),
        ("{\"a\":\"\\ud800\"}", "line 1, column 7: half of a surrogate pair"),
        ("{\"a\":\"\\ud800\\u0041\"}", "line 1, column 7: half of a surrogate pair"),
        ("{\"a\":\"b", "line 1, column 6: a string without its closing quote"),
        ("{\"a\":nul}", "line 1, column 6: expected a value"),
        (String(repeating: "[", count: 100_000), "line 1, column 129: nested more than 128 deep"),
    ]) func brokenJSONIsPlaced(text: String, expected: String) {
        #expect(
            message { () throws(FormatError) in _ = try ConfigFile(path: "config.json", text: text) }
                == "config.json: is not valid JSON: " + expected)
    }

    @Test func bytesThatAreNotTextAreRefused() {
        let bytes: [UInt8] = [0x7B, 0x22, 0xC3, 0x28, 0x22, 0x7D]
        let text = message { () throws(FormatError) in
            _ = try bytes.withUnsafeBufferPointer { (bytes) throws(FormatError) in
                try ConfigFile(path: "config.json", bytes: UnsafeRawBufferPointer(bytes))
            }
        }
        #expect(text == "config.json: is not valid JSON: line 1, column 3: the bytes are not UTF-8")
    }

    @Test func aListAtTheTopIsRefused() {
        #expect(
            message { () throws(FormatError) in _ = try ConfigFile(path: "config.json", text: "[1]") }
                == "config.json: expected a JSON object, found a list of 1")
    }

    @Test func generationDefaultsAreReadAndFilledFromTheModelsConfiguration() throws {
        let folder = try TemporaryFolder()
        #expect(try GenerationConfig(folder: folder.path) == GenerationConfig())
        try folder.write("config.json", #"{"eos_token_id": 2, "bos_token_id": 1, "pad_token_id": -1}"#)
        #expect(try GenerationConfig(folder: folder.path).eosTokenIDs == [2])
        try folder.write(
            "generation_config.json",
            #"{"eos_token_id": [128001, 128009], "do_sample": true, "temperature": 0.6, "top_p": 0.9, "top_k": 40}"#
        )
        let config = try GenerationConfig(folder: folder.path)
        #expect(config.eosTokenIDs == [128001, 128009])
        #expect(config.bosTokenID == 1)
        #expect(config.padTokenID == nil)
        #expect(config.doSample == true)
        #expect(config.temperature == 0.6)
        #expect(config.topP == 0.9)
        #expect(config.topK == 40)
        let path = try folder.write("generation_config.json", #"{"top_p": 3}"#)
        #expect(
            message { () throws(FormatError) in _ = try GenerationConfig(folder: folder.path) }
                == "\(path): top_p: expected a number from 0.0 to 1.0, found 3")
    }
}
