import CSPIRVCross

/// The allow-list of the arithmetic contract, checked over the final SPIR-V.
///
/// Only what Vulkan rounds correctly may stand in a kernel: add, subtract, multiply, negate, compare, select, floor,
/// truncate, round to even, exact conversions, integer and bit operations. Everything else is named and refused,
/// unknown instructions included.
enum Lint {
    static func check(_ module: SPIRVModule, file: String) throws {
        var extendedSet: UInt32?
        var floatTypes: Set<UInt32> = []
        for instruction in module.instructions {
            switch instruction.opcode {
            case SpvOpExtInstImport:
                extendedSet = instruction.operand(0)
            case SpvOpTypeFloat:
                if ![32, 64].contains(instruction.operand(1)) {
                    throw ShaderError(file, "\(instruction.operand(1))-bit float arithmetic: f16 is storage only")
                }
                floatTypes.insert(instruction.operand(0))
            case SpvOpTypeVector where floatTypes.contains(instruction.operand(1)):
                floatTypes.insert(instruction.operand(0))
            case SpvOpExtInst where instruction.operand(2) == extendedSet:
                let number = instruction.operand(3)
                guard allowedExtended.contains(number) else {
                    throw ShaderError(
                        file, "\(extendedName(number)) is not rounded correctly by Vulkan; use vkdyn.glsl's own")
                }
            case SpvOpSpecConstantOp:
                if floatTypes.contains(instruction.operand(0)) {
                    throw ShaderError(file, "a float expression of constants is folded by the compiler in double")
                }
            case let opcode where isGroupArithmetic(opcode):
                if floatTypes.contains(instruction.operand(0)) {
                    throw ShaderError(file, "a float subgroup reduction has no fixed order")
                }
            case let opcode where allowed.contains(opcode.rawValue):
                continue
            default:
                throw ShaderError(file, "\(name(of: instruction.opcode)) is not on the list of exact instructions")
            }
        }
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
        ].map { UInt32($0.rawValue) })

    private static func extendedName(_ number: UInt32) -> String {
        let names: [UInt32: String] = [
            UInt32(GLSLstd450Exp.rawValue): "exp", UInt32(GLSLstd450Log.rawValue): "log",
            UInt32(GLSLstd450Exp2.rawValue): "exp2", UInt32(GLSLstd450Log2.rawValue): "log2",
            UInt32(GLSLstd450Sqrt.rawValue): "sqrt", UInt32(GLSLstd450InverseSqrt.rawValue): "inversesqrt",
            UInt32(GLSLstd450Sin.rawValue): "sin", UInt32(GLSLstd450Cos.rawValue): "cos",
            UInt32(GLSLstd450Tanh.rawValue): "tanh", UInt32(GLSLstd450Pow.rawValue): "pow",
            UInt32(GLSLstd450FMin.rawValue): "min of floats", UInt32(GLSLstd450FMax.rawValue): "max of floats",
            UInt32(GLSLstd450NMin.rawValue): "min of floats", UInt32(GLSLstd450NMax.rawValue): "max of floats",
            UInt32(GLSLstd450FClamp.rawValue): "clamp of floats", UInt32(GLSLstd450FMix.rawValue): "mix",
            UInt32(GLSLstd450PackHalf2x16.rawValue): "packHalf2x16",
            UInt32(GLSLstd450UnpackHalf2x16.rawValue): "unpackHalf2x16",
            UInt32(GLSLstd450Length.rawValue): "length", UInt32(GLSLstd450Normalize.rawValue): "normalize",
        ]
        return names[number] ?? "extended instruction \(number)"
    }

    private static func name(of opcode: SpvOp) -> String {
        let names: [UInt32: String] = [
            SpvOpFDiv.rawValue: "division of floats", SpvOpDot.rawValue: "dot", SpvOpFMod.rawValue: "mod of floats",
            SpvOpFRem.rawValue: "remainder of floats", SpvOpMatrixTimesVector.rawValue: "a matrix product",
            SpvOpVectorTimesMatrix.rawValue: "a matrix product", SpvOpMatrixTimesMatrix.rawValue: "a matrix product",
            SpvOpMatrixTimesScalar.rawValue: "a matrix product", SpvOpOuterProduct.rawValue: "a matrix product",
            SpvOpQuantizeToF16.rawValue: "quantising to f16", SpvOpAtomicFAddEXT.rawValue: "a float atomic",
            SpvOpImageWrite.rawValue: "a texel store",
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
