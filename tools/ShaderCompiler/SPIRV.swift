import CSPIRVCross

/// One SPIR-V instruction, as a range of its module's words.
struct Instruction {
    let opcode: SpvOp
    let words: ArraySlice<UInt32>

    /// Operand `index` after the first word, result type and result id included.
    func operand(_ index: Int) -> UInt32 { words[words.startIndex + 1 + index] }
    var operandCount: Int { words.count - 1 }

    /// The string that begins at operand `index`: UTF-8, four bytes a word, ended by a zero.
    func text(from index: Int) -> String {
        let bytes = words.dropFirst(1 + index).flatMap { word in
            (0..<4).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) }
        }
        return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
}

/// SPIR-V's numbers of cooperative matrices (SPV_NV_cooperative_matrix, SPV_KHR_cooperative_matrix): not every
/// distribution's headers have both.
enum CooperativeMatrix {
    static let types: Set<UInt32> = [5358, 4456]
    /// Load, store, multiply-add, length.
    static let operations: Set<UInt32> = [5359, 5360, 5361, 5362, 4457, 4458, 4459, 4460]

    /// Whether a multiply-add cuts its sums off at the largest number, so that their order matters.
    static func saturates(_ instruction: Instruction) -> Bool {
        instruction.opcode.rawValue == 4459 && instruction.operandCount > 5 && instruction.operand(5) & 0x10 != 0
    }
}

/// A SPIR-V module as its header and instructions.
struct SPIRVModule {
    private(set) var header: [UInt32]
    private(set) var instructions: [Instruction]

    init(words: [UInt32]) {
        precondition(words.count >= 5 && words[0] == SpvMagicNumber, "shaderc returned no SPIR-V")
        header = Array(words[0..<5])
        instructions = []
        var index = 5
        while index < words.count {
            let length = Int(words[index] >> 16)
            instructions.append(
                Instruction(opcode: SpvOp(rawValue: words[index] & 0xFFFF), words: words[index..<index + length]))
            index += length
        }
    }

    var words: [UInt32] { header + instructions.flatMap(\.words) }

    /// Float instructions that a driver may contract into a fused multiply-add unless they say otherwise.
    private static let contractible: Set<UInt32> = Set(
        [SpvOpFAdd, SpvOpFSub, SpvOpFMul, SpvOpFNegate, SpvOpVectorTimesScalar].map(\.rawValue))

    /// Decorates every contractible float instruction with `NoContraction`.
    ///
    /// `precise` in the source does not reach operations inside called functions, so the decoration is added
    /// here, to all of them.
    mutating func forbidContraction() {
        let decorated = Set(
            instructions.filter {
                $0.opcode == SpvOpDecorate && $0.operand(1) == SpvDecorationNoContraction.rawValue
            }.map { $0.operand(0) })
        let decorations = instructions
            .filter { Self.contractible.contains($0.opcode.rawValue) && !decorated.contains($0.operand(1)) }
            .map { instruction -> Instruction in
                let words = [
                    3 << 16 | SpvOpDecorate.rawValue, instruction.operand(1), SpvDecorationNoContraction.rawValue,
                ]
                return Instruction(opcode: SpvOpDecorate, words: words[...])
            }
        // Annotations stand before the first type declaration.
        let types = SpvOpTypeVoid.rawValue...SpvOpTypeForwardPointer.rawValue
        guard let position = instructions.firstIndex(where: { types.contains($0.opcode.rawValue) }) else { return }
        instructions.insert(contentsOf: decorations, at: position)
    }

    /// Declares vectors in place of cooperative matrices, which older reflection cannot read and never has to.
    mutating func hideMatrixTypes() {
        instructions = instructions.map { instruction in
            guard CooperativeMatrix.types.contains(instruction.opcode.rawValue) else { return instruction }
            let words = [4 << 16 | SpvOpTypeVector.rawValue, instruction.operand(0), instruction.operand(1), 4]
            return Instruction(opcode: SpvOpTypeVector, words: words[...])
        }
    }

    /// Removes names and source text, which only reflection needs.
    mutating func strip() {
        let debug = Set(
            [
                SpvOpSource, SpvOpSourceContinued, SpvOpSourceExtension, SpvOpName, SpvOpMemberName, SpvOpString,
                SpvOpLine, SpvOpNoLine, SpvOpModuleProcessed,
            ].map(\.rawValue))
        instructions.removeAll { debug.contains($0.opcode.rawValue) }
    }
}
