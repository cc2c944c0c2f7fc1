import Testing
import VkdynCore
import VkdynKernels

@testable import VkdynBenchmark

@Suite struct ShapeTextTests {
    @Test func numbersFollowTheAxesAndTheRestIsStandard() throws {
        let shape = try ShapeText.shape("5,7", of: Matmul.self)
        #expect(shape["rows"] == 5 && shape["columns"] == 7 && shape["depth"] == 768 && shape["bias"] == 0)
        #expect(shape.storage == .f32)
    }

    @Test func namedNumbersMayFollowOthersInAnyOrder() throws {
        let shape = try ShapeText.shape("5,bias=1,depth=8", of: Matmul.self, storage: .bf16)
        #expect(shape["rows"] == 5 && shape["bias"] == 1 && shape["depth"] == 8 && shape.storage == .bf16)
    }

    @Test func noTextIsTheStandardShape() throws {
        #expect(try ShapeText.shape("", of: Matmul.self)["rows"] == 512)
    }

    @Test(arguments: ["1,", ",1", "1,2,3,4,5,6,7", "rows=", "=3", "rows=1=2", "rows", "1 2", "0x10", "1e3", "rows=1,1"])
    func whatIsNoShapeIsRefused(text: String) {
        #expect(throws: BenchmarkError.self) { try ShapeText.shape(text, of: Matmul.self) }
    }

    /// A kernel's shapes are also what `verify --random` draws: every one of them can be made.
    @Test func aCaseGrowsToTheShapeThatWasAskedFor() throws {
        var random = CaseGenerator(seed: 1)
        let shape = try ShapeText.shape("700,500,1200", of: Matmul.self)
        let made = try ShapeText.makeCase(shape, of: Matmul.self, random: &random)
        #expect(Matmul.Parameters(words: made.parameters).rowCapacity == 700)
        #expect(made.contents[2]?.count == 500 * 1200)
    }

    @Test(arguments: ["16777216,16777216,768", "1,16777216,16777216", "40000,40000,16777216"])
    func aShapeThatNoMemoryHoldsIsRefusedBeforeItIsMade(text: String) throws {
        var random = CaseGenerator(seed: 1)
        let shape = try ShapeText.shape(text, of: Matmul.self)
        #expect(throws: BenchmarkError.self) {
            try ShapeText.makeCase(shape, of: Matmul.self, random: &random)
        }
    }

    @Test func theLimitRefusesWhatIsAboveItAndNothingMuchBelow() throws {
        var random = CaseGenerator(seed: 1)
        let shape = try ShapeText.shape("1024,2048,2048", of: Matmul.self)
        // 4 · (1024·2048 + 2048·2048 + 1024·2051) bytes: 32 MiB and a little.
        let made = try ShapeText.makeCase(shape, of: Matmul.self, random: &random, limitBytes: 34 << 20)
        #expect(made.byteCount > 32 << 20)
        #expect(throws: BenchmarkError.self) {
            try ShapeText.makeCase(shape, of: Matmul.self, random: &random, limitBytes: 16 << 20)
        }
    }
}
