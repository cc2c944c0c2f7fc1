import Foundation
import Testing

/// A second, independent reader of SPIR-V: numbers from the specification, section 3.
struct SPIRV {
    struct Instruction {
        let opcode: UInt32
        let operands: [UInt32]
    }

    let words: [UInt32]
    let instructions: [Instruction]

    init(words: [UInt32], sourceLocation: SourceLocation = #_sourceLocation) throws {
        try #require(words.count > 5 && words[0] == 0x0723_0203, "no SPIR-V", sourceLocation: sourceLocation)
        self.words = words
        var instructions: [Instruction] = []
        var index = 5
        while index < words.count {
            let count = Int(words[index] >> 16)
            try #require(
                count > 0 && index + count <= words.count, "an instruction ends beyond the module",
                sourceLocation: sourceLocation)
            instructions.append(
                Instruction(opcode: words[index] & 0xFFFF, operands: Array(words[index + 1..<index + count])))
            index += count
        }
        self.instructions = instructions
    }

    /// The modules in an emitted `Modules.swift`, by name.
    static func modules(_ text: String) throws -> [String: SPIRV] {
        var modules: [String: SPIRV] = [:]
        for line in text.split(separator: "\n") where line.contains("ShaderModule(") {
            let parts = line.split(separator: "\"", omittingEmptySubsequences: false)
            try #require(parts.count == 5)
            let data = try #require(Data(base64Encoded: String(parts[3])))
            try #require(data.count % 4 == 0)
            let words = data.withUnsafeBytes { bytes in
                (0..<bytes.count / 4).map {
                    UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: $0 * 4, as: UInt32.self))
                }
            }
            #expect(modules.updateValue(try SPIRV(words: words), forKey: String(parts[1])) == nil)
            #expect(line.contains("static let \(parts[1]) = "))
        }
        return modules
    }

    /// OpFNegate, OpFAdd, OpFSub, OpFMul, OpVectorTimesScalar: what a driver may contract.
    static let contractible: Set<UInt32> = [127, 129, 131, 133, 142]
    /// OpSourceContinued to OpLine, OpNoLine, OpModuleProcessed.
    static let debug: Set<UInt32> = [2, 3, 4, 5, 6, 7, 8, 317, 330]
    static let decorate: UInt32 = 71
    static let noContraction: UInt32 = 42
    static let function: UInt32 = 54
    static let functionEnd: UInt32 = 56

    var contractible: [Instruction] { instructions.filter { Self.contractible.contains($0.opcode) } }

    /// Results decorated NoContraction.
    var protected: Set<UInt32> {
        Set(instructions.filter { $0.opcode == Self.decorate && $0.operands[1] == Self.noContraction }
            .map { $0.operands[0] })
    }

    /// Contractible instructions without the decoration.
    var unprotected: [Instruction] { contractible.filter { !protected.contains($0.operands[1]) } }

    var debugInstructions: [Instruction] { instructions.filter { Self.debug.contains($0.opcode) } }

    /// Contractible instructions of each function, in order.
    var contractibleByFunction: [Int] {
        var counts: [Int] = []
        for instruction in instructions {
            if instruction.opcode == Self.function { counts.append(0) }
            if Self.contractible.contains(instruction.opcode) { counts[counts.count - 1] += 1 }
        }
        return counts
    }

    /// Widths of the declared float types.
    var floatWidths: Set<UInt32> { Set(instructions.filter { $0.opcode == 22 }.map { $0.operands[1] }) }

    /// Annotations stand before the first type, as the specification's logical layout asks.
    var annotationsPrecedeTypes: Bool {
        guard let firstType = instructions.firstIndex(where: { (19...39).contains($0.opcode) }),
            let lastDecoration = instructions.lastIndex(where: { $0.opcode == Self.decorate })
        else { return true }
        return lastDecoration < firstType
    }

    /// DenormPreserve, DenormFlushToZero, SignedZeroInfNanPreserve, RoundingModeRTE, RoundingModeRTZ.
    var floatControls: [Instruction] {
        instructions.filter { $0.opcode == 16 && (4459...4463).contains($0.operands[1]) }
    }

    var bytes: Data { words.withUnsafeBytes { Data($0) } }
}
