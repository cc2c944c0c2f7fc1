import CSPIRVCross

/// Refuses a fused multiply-add that the separate flavour could reach.
///
/// Where a device fuses, it would change the separate flavour's bits; where it does not, as lavapipe, no comparison with
/// a twin can see it. So the code that remains with `FUSED` false is followed from `main`, and has to be free of it.
enum FlavourCheck {
    private struct Block {
        var successors: [UInt32] = []
        var calls: [UInt32] = []
        /// Where fused multiply-adds stand.
        var fused: [(file: String, line: Int)] = []
    }

    /// - Parameter module: still with its line information.
    static func check(_ module: SPIRVModule, file: String) throws {
        var flavour: Set<UInt32> = []
        var extendedSet: UInt32?
        var main: UInt32?
        var sources: [UInt32: String] = [:]
        var place = (file: file, line: 1)
        var function: UInt32 = 0
        var label: UInt32 = 0
        var entries: [UInt32: UInt32] = [:]
        var blocks: [UInt32: Block] = [:]
        for instruction in module.instructions {
            switch instruction.opcode {
            case SpvOpDecorate where instruction.operand(1) == SpvDecorationSpecId.rawValue
                && instruction.operand(2) == UInt32(SpecializationConstant.flavour):
                flavour.insert(instruction.operand(0))
            case SpvOpExtInstImport where instruction.text(from: 1) == "GLSL.std.450":
                extendedSet = instruction.operand(0)
            case SpvOpEntryPoint:
                main = instruction.operand(1)
            case SpvOpString:
                sources[instruction.operand(0)] = instruction.text(from: 1)
            case SpvOpLine:
                place = (sources[instruction.operand(0)] ?? file, Int(instruction.operand(1)))
            case SpvOpFunction:
                function = instruction.operand(1)
            case SpvOpLabel:
                label = instruction.operand(0)
                blocks[label] = Block()
                if entries[function] == nil { entries[function] = label }
            case SpvOpBranch:
                blocks[label]?.successors = [instruction.operand(0)]
            case SpvOpBranchConditional:
                let otherwise = instruction.operand(2)
                blocks[label]?.successors =
                    flavour.contains(instruction.operand(0)) ? [otherwise] : [instruction.operand(1), otherwise]
            case SpvOpSwitch:
                // Selector, default, then pairs of a 32-bit literal and a label.
                blocks[label]?.successors = stride(from: 1, to: instruction.operandCount, by: 2)
                    .map { instruction.operand($0) }
            case SpvOpFunctionCall:
                blocks[label]?.calls.append(instruction.operand(2))
            case SpvOpExtInst where instruction.operand(2) == extendedSet
                && instruction.operand(3) == UInt32(GLSLstd450Fma.rawValue):
                blocks[label]?.fused.append(place)
            default: break
            }
        }
        var lines: [String] = []
        var pending = [main.flatMap { entries[$0] }].compactMap { $0 }
        var seen = Set(pending)
        while let next = pending.popLast(), let block = blocks[next] {
            for place in block.fused {
                let error = ShaderError(
                    place.file, line: place.line,
                    "fma outside the fused flavour: use multiply_add, which multiplies, then adds, where FUSED is false")
                if !lines.contains(error.description) { lines.append(error.description) }
            }
            for label in block.successors + block.calls.compactMap({ entries[$0] }) where seen.insert(label).inserted {
                pending.append(label)
            }
        }
        if !lines.isEmpty { throw ShaderError(log: lines.joined(separator: "\n")) }
    }
}
