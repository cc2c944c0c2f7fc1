import CSPIRVCross

/// The allow-list of the arithmetic contract, checked over the final SPIR-V.
///
/// Only what Vulkan rounds correctly may stand in a kernel: add, subtract, multiply, negate, compare, select, floor,
/// truncate, round to even, exact conversions, integer and bit operations. Everything else is named and refused,
/// unknown instructions included.
enum Lint {
    /// Refuses a module with all its breaches, each at its line of the GLSL.
    ///
    /// - Parameters:
    ///   - module: still with its line information.
    ///   - allowsDoubles: true for the emulation of fused multiply-add, the one place with 64-bit arithmetic.
    static func check(_ module: SPIRVModule, file: String, allowsDoubles: Bool) throws {
        var sources: [UInt32: String] = [:]
        var place: (file: String, line: Int)?
        var breaches: [(place: (file: String, line: Int)?, message: String)] = []
        var extendedSet: UInt32?
        var floatTypes: Set<UInt32> = []
        var integerWidths: [UInt32: UInt32] = [:]
        var refusedTypes: [UInt32: String] = [:]
        func refuse(_ message: String) { breaches.append((place, message)) }
        for instruction in module.instructions {
            // What a refused type stands for is named where it is used, which has a line.
            if instruction.operandCount > 0, let message = refusedTypes[instruction.operand(0)] { refuse(message) }
            switch instruction.opcode {
            case SpvOpString:
                sources[instruction.operand(0)] = instruction.text(from: 1)
            case SpvOpLine:
                place = (sources[instruction.operand(0)] ?? file, Int(instruction.operand(1)))
            case SpvOpNoLine, SpvOpFunctionEnd:
                place = nil
            case SpvOpExtInstImport:
                extendedSet = instruction.operand(0)
            case SpvOpTypeFloat:
                let (type, width) = (instruction.operand(0), instruction.operand(1))
                floatTypes.insert(type)
                switch width {
                case 32: break
                case 64 where allowsDoubles: break
                case 64: refusedTypes[type] = "64-bit float arithmetic: all float arithmetic is f32"
                default: refusedTypes[type] = "\(width)-bit float arithmetic: f16 is storage only"
                }
                if let message = refusedTypes[type] { refuse(message) }
            case SpvOpTypeMatrix:
                refusedTypes[instruction.operand(0)] = "a matrix: the order of its products' sums is the driver's"
                refuse(refusedTypes[instruction.operand(0)]!)
            case SpvOpTypeInt:
                integerWidths[instruction.operand(0)] = instruction.operand(1)
            case let opcode where CooperativeMatrix.types.contains(opcode.rawValue):
                let (type, component) = (instruction.operand(0), instruction.operand(1))
                if floatTypes.contains(component) {
                    refusedTypes[type] = "a cooperative matrix of floats: its products' sums have no fixed order"
                } else if let width = integerWidths[component], width != 8, width != 32 {
                    refusedTypes[type] = "a cooperative matrix of \(width)-bit integers: int8 and int32 are exact"
                }
                if let message = refusedTypes[type] { refuse(message) }
            case let opcode where CooperativeMatrix.operations.contains(opcode.rawValue):
                if CooperativeMatrix.saturates(instruction) { refuse("a sum of matrices that saturates has an order") }
            case SpvOpTypeVector where floatTypes.contains(instruction.operand(1)):
                floatTypes.insert(instruction.operand(0))
                refusedTypes[instruction.operand(0)] = refusedTypes[instruction.operand(1)]
            case SpvOpExtInst where instruction.operand(2) == extendedSet:
                let number = instruction.operand(3)
                if !allowedExtended.contains(number) {
                    refuse("\(extendedName(number)) has no exact result in Vulkan; build it as Shaders/Include does")
                }
            case SpvOpSpecConstantOp:
                if floatTypes.contains(instruction.operand(0)) {
                    refuse("a float expression of constants is folded by the compiler in double")
                }
            case let opcode where isGroupArithmetic(opcode):
                if floatTypes.contains(instruction.operand(0)) {
                    refuse("a float subgroup reduction has no fixed order")
                }
            case let opcode where allowed.contains(opcode.rawValue):
                continue
            default:
                refuse("\(name(of: instruction.opcode)) is not on the list of exact instructions")
            }
        }
        if breaches.contains(where: { $0.place != nil }) { breaches.removeAll { $0.place == nil } }
        var lines: [String] = []
        for breach in breaches {
            let error = ShaderError(breach.place?.file ?? file, line: breach.place?.line ?? 1, breach.message)
            if !lines.contains(error.description) { lines.append(error.description) }
        }
        if !lines.isEmpty { throw ShaderError(log: lines.joined(separator: "\n")) }
    }

    private static func isGroupArithmetic(_ opcode: SpvOp) -> Bool {
        (SpvOpGroupNonUniformIAdd.rawValue...SpvOpGroupNonUniformLogicalXor.rawValue).contains(opcode.rawValue)
    }

    private static let allowedExtended: Set<UInt32> = Set(
        [
            GLSLstd450RoundEven, GLSLstd450Trunc, GLSLstd450FAbs, GLSLstd450SAbs, GLSLstd450SSign, GLSLstd450Floor,
            GLSLstd450Fma, GLSLstd450UMin, GLSLstd450SMin, GLSLstd450UMax, GLSLstd450SMax, GLSLstd450UClamp,
            GLSLstd450SClamp, GLSLstd450FindILsb, GLSLstd450FindSMsb, GLSLstd450FindUMsb,
            GLSLstd450PackDouble2x32, GLSLstd450UnpackDouble2x32,
            // Widening is exact where denormals are kept, which the probe asks every device.
            GLSLstd450UnpackHalf2x16,
        ].map { UInt32($0.rawValue) })

    private static func extendedName(_ number: UInt32) -> String {
        let names: [GLSLstd450: String] = [
            GLSLstd450Round: "round", GLSLstd450FSign: "sign", GLSLstd450Ceil: "ceil", GLSLstd450Fract: "fract",
            GLSLstd450Radians: "radians", GLSLstd450Degrees: "degrees", GLSLstd450Sin: "sin", GLSLstd450Cos: "cos",
            GLSLstd450Tan: "tan", GLSLstd450Asin: "asin", GLSLstd450Acos: "acos", GLSLstd450Atan: "atan",
            GLSLstd450Sinh: "sinh", GLSLstd450Cosh: "cosh", GLSLstd450Tanh: "tanh", GLSLstd450Asinh: "asinh",
            GLSLstd450Acosh: "acosh", GLSLstd450Atanh: "atanh", GLSLstd450Atan2: "atan", GLSLstd450Pow: "pow",
            GLSLstd450Exp: "exp", GLSLstd450Log: "log", GLSLstd450Exp2: "exp2", GLSLstd450Log2: "log2",
            GLSLstd450Sqrt: "sqrt", GLSLstd450InverseSqrt: "inversesqrt", GLSLstd450Modf: "modf",
            GLSLstd450ModfStruct: "modf", GLSLstd450FMin: "min of floats", GLSLstd450FMax: "max of floats",
            GLSLstd450NMin: "min of floats", GLSLstd450NMax: "max of floats", GLSLstd450FClamp: "clamp of floats",
            GLSLstd450NClamp: "clamp of floats", GLSLstd450FMix: "mix", GLSLstd450Step: "step",
            GLSLstd450SmoothStep: "smoothstep", GLSLstd450Frexp: "frexp", GLSLstd450FrexpStruct: "frexp",
            GLSLstd450Ldexp: "ldexp", GLSLstd450PackSnorm4x8: "packSnorm4x8", GLSLstd450PackUnorm4x8: "packUnorm4x8",
            GLSLstd450PackSnorm2x16: "packSnorm2x16", GLSLstd450PackUnorm2x16: "packUnorm2x16",
            GLSLstd450PackHalf2x16: "packHalf2x16", GLSLstd450UnpackSnorm2x16: "unpackSnorm2x16",
            GLSLstd450UnpackUnorm2x16: "unpackUnorm2x16",
            GLSLstd450UnpackSnorm4x8: "unpackSnorm4x8", GLSLstd450UnpackUnorm4x8: "unpackUnorm4x8",
            GLSLstd450Length: "length", GLSLstd450Distance: "distance", GLSLstd450Cross: "cross",
            GLSLstd450Normalize: "normalize", GLSLstd450FaceForward: "faceforward", GLSLstd450Reflect: "reflect",
            GLSLstd450Refract: "refract",
        ]
        return names.first { $0.key.rawValue == number }?.value ?? "extended instruction \(number)"
    }

    private static func name(of opcode: SpvOp) -> String {
        let names: [UInt32: String] = [
            SpvOpFDiv.rawValue: "division of floats", SpvOpDot.rawValue: "dot", SpvOpFMod.rawValue: "mod of floats",
            SpvOpFRem.rawValue: "remainder of floats", SpvOpMatrixTimesVector.rawValue: "a matrix product",
            SpvOpVectorTimesMatrix.rawValue: "a matrix product", SpvOpMatrixTimesMatrix.rawValue: "a matrix product",
            SpvOpMatrixTimesScalar.rawValue: "a matrix product", SpvOpOuterProduct.rawValue: "a matrix product",
            SpvOpQuantizeToF16.rawValue: "quantising to f16", SpvOpAtomicFAddEXT.rawValue: "a float atomic",
            SpvOpAtomicFMinEXT.rawValue: "a float atomic", SpvOpAtomicFMaxEXT.rawValue: "a float atomic",
            SpvOpImageWrite.rawValue: "a texel store", SpvOpTranspose.rawValue: "a matrix transpose",
        ]
        return names[opcode.rawValue] ?? "SPIR-V instruction \(opcode.rawValue)"
    }

    private static let allowed: Set<UInt32> = {
        let opcodes: [SpvOp] = [
            // Structure, names, types and constants.
            SpvOpNop, SpvOpUndef, SpvOpSourceContinued, SpvOpSource, SpvOpSourceExtension, SpvOpName, SpvOpMemberName,
            SpvOpString, SpvOpLine, SpvOpNoLine, SpvOpExtension, SpvOpMemoryModel, SpvOpEntryPoint,
            SpvOpExecutionMode, SpvOpExecutionModeId, SpvOpCapability, SpvOpTypeVoid, SpvOpTypeBool, SpvOpTypeInt,
            SpvOpTypeVector, SpvOpTypeImage, SpvOpTypeSampler, SpvOpTypeSampledImage, SpvOpTypeArray,
            SpvOpTypeRuntimeArray, SpvOpTypeStruct, SpvOpTypePointer, SpvOpTypeFunction, SpvOpConstantTrue,
            SpvOpConstantFalse, SpvOpConstant, SpvOpConstantComposite, SpvOpConstantNull, SpvOpSpecConstantTrue,
            SpvOpSpecConstantFalse, SpvOpSpecConstant, SpvOpSpecConstantComposite, SpvOpFunction,
            SpvOpFunctionParameter, SpvOpFunctionEnd, SpvOpFunctionCall, SpvOpVariable, SpvOpModuleProcessed,
            SpvOpDecorate, SpvOpMemberDecorate,
            // Memory.
            SpvOpLoad, SpvOpStore, SpvOpCopyMemory, SpvOpAccessChain, SpvOpInBoundsAccessChain, SpvOpArrayLength,
            SpvOpImage, SpvOpImageFetch, SpvOpImageQuerySize, SpvOpCopyObject, SpvOpVectorExtractDynamic,
            SpvOpVectorInsertDynamic, SpvOpVectorShuffle, SpvOpCompositeConstruct, SpvOpCompositeExtract,
            SpvOpCompositeInsert, SpvOpPtrEqual, SpvOpCopyLogical,
            // Conversions; float to integer only after a range check (the shader's duty).
            SpvOpConvertFToU, SpvOpConvertFToS, SpvOpConvertSToF, SpvOpConvertUToF, SpvOpUConvert, SpvOpSConvert,
            SpvOpFConvert, SpvOpBitcast,
            // Float arithmetic that Vulkan rounds correctly.
            SpvOpFNegate, SpvOpFAdd, SpvOpFSub, SpvOpFMul, SpvOpVectorTimesScalar,
            // Integer arithmetic.
            SpvOpSNegate, SpvOpIAdd, SpvOpISub, SpvOpIMul, SpvOpUDiv, SpvOpSDiv, SpvOpUMod, SpvOpSRem, SpvOpSMod,
            SpvOpIAddCarry, SpvOpISubBorrow, SpvOpUMulExtended, SpvOpSMulExtended, SpvOpSDotKHR, SpvOpUDotKHR,
            SpvOpShiftRightLogical, SpvOpShiftRightArithmetic, SpvOpShiftLeftLogical, SpvOpBitwiseOr, SpvOpBitwiseXor,
            SpvOpBitwiseAnd, SpvOpNot, SpvOpBitFieldInsert, SpvOpBitFieldSExtract, SpvOpBitFieldUExtract,
            SpvOpBitReverse, SpvOpBitCount,
            // Comparison and choice.
            SpvOpAny, SpvOpAll, SpvOpIsNan, SpvOpIsInf, SpvOpLogicalEqual, SpvOpLogicalNotEqual, SpvOpLogicalOr,
            SpvOpLogicalAnd, SpvOpLogicalNot, SpvOpSelect, SpvOpIEqual, SpvOpINotEqual, SpvOpUGreaterThan,
            SpvOpSGreaterThan, SpvOpUGreaterThanEqual, SpvOpSGreaterThanEqual, SpvOpULessThan, SpvOpSLessThan,
            SpvOpULessThanEqual, SpvOpSLessThanEqual, SpvOpFOrdEqual, SpvOpFUnordEqual, SpvOpFOrdNotEqual,
            SpvOpFUnordNotEqual, SpvOpFOrdLessThan, SpvOpFUnordLessThan, SpvOpFOrdGreaterThan,
            SpvOpFUnordGreaterThan, SpvOpFOrdLessThanEqual, SpvOpFUnordLessThanEqual, SpvOpFOrdGreaterThanEqual,
            SpvOpFUnordGreaterThanEqual,
            // Control flow, barriers, integer atomics, and subgroup moves.
            SpvOpPhi, SpvOpLoopMerge, SpvOpSelectionMerge, SpvOpLabel, SpvOpBranch, SpvOpBranchConditional,
            SpvOpSwitch, SpvOpReturn, SpvOpReturnValue, SpvOpUnreachable, SpvOpControlBarrier, SpvOpMemoryBarrier,
            SpvOpAtomicLoad, SpvOpAtomicStore, SpvOpAtomicExchange, SpvOpAtomicCompareExchange, SpvOpAtomicIIncrement,
            SpvOpAtomicIDecrement, SpvOpAtomicIAdd, SpvOpAtomicISub, SpvOpAtomicSMin, SpvOpAtomicUMin,
            SpvOpAtomicSMax, SpvOpAtomicUMax, SpvOpAtomicAnd, SpvOpAtomicOr, SpvOpAtomicXor,
            SpvOpGroupNonUniformElect, SpvOpGroupNonUniformAll, SpvOpGroupNonUniformAny,
            SpvOpGroupNonUniformBroadcast, SpvOpGroupNonUniformBroadcastFirst, SpvOpGroupNonUniformBallot,
            SpvOpGroupNonUniformBallotBitCount, SpvOpGroupNonUniformShuffle, SpvOpGroupNonUniformShuffleXor,
            SpvOpGroupNonUniformShuffleUp, SpvOpGroupNonUniformShuffleDown,
        ]
        return Set(opcodes.map(\.rawValue))
    }()
}
