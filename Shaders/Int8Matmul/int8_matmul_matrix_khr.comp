#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_explicit_arithmetic_types_int8 : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_cooperative_matrix : require

// For GPUs whose subgroups multiply int8 matrices, through VK_KHR_cooperative_matrix.

#include "rows.glsl"
#include "arithmetic.glsl"
#include "activation.glsl"
#include "parameters.glsl"
#include "packed.glsl"

#pragma vkdyn requires(GL_KHR_cooperative_matrix)
#pragma vkdyn variant(matrix_khr_16x16x32_lanes32, tile = 8x32x1, SIZE = 16, DEPTH = 32, LANES = 32)
#pragma vkdyn variant(matrix_khr_16x16x16_lanes32, tile = 8x32x1, SIZE = 16, DEPTH = 16, LANES = 32)
#pragma vkdyn variant(matrix_khr_16x16x16_lanes64, tile = 8x32x1, SIZE = 16, DEPTH = 16, LANES = 64)
#pragma vkdyn variant(matrix_khr_8x8x8_lanes8, tile = 8x32x1, SIZE = 8, DEPTH = 8, LANES = 8)

#define SourceMatrix coopmat<int8_t, gl_ScopeSubgroup, SIZE, DEPTH, gl_MatrixUseA>
#define WeightMatrix coopmat<int8_t, gl_ScopeSubgroup, DEPTH, SIZE, gl_MatrixUseB>
#define SumMatrix coopmat<int, gl_ScopeSubgroup, SIZE, SIZE, gl_MatrixUseAccumulator>

#define matrix_zero(sum) sum = SumMatrix(0)
#define matrix_load_source(matrix, at) \
    coopMatLoad(matrix, staged_source, at, STAGE_STRIDE, gl_CooperativeMatrixLayoutRowMajor)
#define matrix_load_weights(matrix, at) \
    coopMatLoad(matrix, staged_weights, at, STAGE_STRIDE, gl_CooperativeMatrixLayoutColumnMajor)
#define matrix_multiply_add(source, weights, sum) sum = coopMatMulAdd(source, weights, sum)
#define matrix_store(sum, at) coopMatStore(sum, staged_sums, at, SUM_STRIDE, gl_CooperativeMatrixLayoutRowMajor)

#include "matrix.glsl"
