/// Numbers the invocations of a workgroup backwards in a SPIR-V module.
///
/// A kernel's bits do not depend on the order in which its lanes run, so it must give the same ones. CPU drivers run the
/// lanes of a workgroup a subgroup at a time in ascending order, and therefore hide a missing barrier wherever a higher
/// lane waits for a lower one; with the lanes reversed they show it.
enum ReversedLanes {
    /// SPIR-V's numbers (specification 1.5, section 3).
    private enum Opcode {
        static let executionMode: UInt32 = 16
        static let typeInt: UInt32 = 21
        static let typeVector: UInt32 = 23
        static let constant: UInt32 = 43
        static let constantComposite: UInt32 = 44
        static let function: UInt32 = 54
        static let load: UInt32 = 61
        static let accessChain: UInt32 = 65
        static let decorate: UInt32 = 71
        static let subtract: UInt32 = 130
        static let controlBarrier: UInt32 = 224
    }

    private static let localSize: UInt32 = 17
    private static let builtIn: UInt32 = 11
    private static let localInvocationID: UInt32 = 27
    /// The global id, the local index, and the subgroup's numbers, which are left as they are: a module that reads one
    /// beside the local id would mix two numberings.
    private static let others: Set<UInt32> = [28, 29, 36, 38, 40, 41]

    /// The changed module; nil for one without barriers, or whose lanes have other numbers too.
    static func apply(to words: [UInt32]) -> [UInt32]? {
        var instructions: [ArraySlice<UInt32>] = []
        var index = 5
        while index < words.count {
            let length = Int(words[index] >> 16)
            instructions.append(words[index..<index + length])
            index += length
        }
        func operand(_ instruction: ArraySlice<UInt32>, _ index: Int) -> UInt32 {
            instruction[instruction.startIndex + 1 + index]
        }
        func opcode(_ instruction: ArraySlice<UInt32>) -> UInt32 { instruction[instruction.startIndex] & 0xFFFF }
        func all(_ code: UInt32) -> [ArraySlice<UInt32>] { instructions.filter { opcode($0) == code } }

        let builtIns = all(Opcode.decorate).filter { operand($0, 1) == builtIn }
        guard let variable = builtIns.first(where: { operand($0, 2) == localInvocationID }).map({ operand($0, 0) }),
            !builtIns.contains(where: { others.contains(operand($0, 2)) }), !all(Opcode.controlBarrier).isEmpty,
            let size = all(Opcode.executionMode).first(where: { operand($0, 1) == localSize }),
            let uint = all(Opcode.typeInt).first(where: { operand($0, 1) == 32 && operand($0, 2) == 0 })
                .map({ operand($0, 0) }),
            let vector = all(Opcode.typeVector).first(where: { operand($0, 1) == uint && operand($0, 2) == 3 })
                .map({ operand($0, 0) })
        else { return nil }
        let values = Dictionary(
            all(Opcode.constant).map { (operand($0, 1), operand($0, 2)) }, uniquingKeysWith: { first, _ in first })

        var bound = words[3]
        func newID() -> UInt32 {
            bound += 1
            return bound - 1
        }
        // Each axis' last lane, alone and as a vector.
        let last = (0..<3).map { _ in newID() }
        let lasts = newID()
        var result = Array(words[..<5])
        var components: [UInt32: Int] = [:]
        var hasConstants = false
        for instruction in instructions {
            switch opcode(instruction) {
            case Opcode.function where !hasConstants:
                for axis in 0..<3 {
                    result += [4 << 16 | Opcode.constant, uint, last[axis], operand(size, 2 + axis) - 1]
                }
                result += [6 << 16 | Opcode.constantComposite, vector, lasts] + last
                hasConstants = true
            case Opcode.accessChain where operand(instruction, 2) == variable:
                components[operand(instruction, 1)] = values[operand(instruction, 3)].map(Int.init)
            case Opcode.load where operand(instruction, 2) == variable || components[operand(instruction, 2)] != nil:
                let (type, pointer) = (operand(instruction, 0), operand(instruction, 2))
                let loaded = newID()
                result += [4 << 16 | Opcode.load, type, loaded, pointer]
                result += [
                    5 << 16 | Opcode.subtract, type, operand(instruction, 1),
                    components[pointer].map { last[$0] } ?? lasts, loaded,
                ]
                continue
            default: break
            }
            result += instruction
        }
        result[3] = bound
        return result
    }
}
