#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_explicit_arithmetic_types_int8 : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_NV_cooperative_matrix : require
#extension GL_NV_integer_cooperative_matrix : require

// For GPUs whose subgroups multiply int8 matrices, through VK_NV_cooperative_matrix.

#include "rows.glsl"
#include "arithmetic.glsl"
#include "activation.glsl"
#include "parameters.glsl"
#include "packed.glsl"

#pragma vkdyn requires(GL_NV_cooperative_matrix, GL_NV_integer_cooperative_matrix)
#pragma vkdyn variant(matrix_nv_16x16x32_lanes32, tile = 8x32x1, SIZE = 16, DEPTH = 32, LANES = 32)

#define SourceMatrix icoopmatNV<8, gl_ScopeSubgroup, SIZE, DEPTH>
#define WeightMatrix icoopmatNV<8, gl_ScopeSubgroup, DEPTH, SIZE>
#define SumMatrix icoopmatNV<32, gl_ScopeSubgroup, SIZE, SIZE>

#define matrix_zero(sum) sum = SumMatrix(0)
#define matrix_load_source(matrix, at) coopMatLoadNV(matrix, staged_source, at, STAGE_STRIDE, false)
#define matrix_load_weights(matrix, at) coopMatLoadNV(matrix, staged_weights, at, STAGE_STRIDE, true)
#define matrix_multiply_add(source, weights, sum) sum = coopMatMulAddNV(source, weights, sum)
#define matrix_store(sum, at) coopMatStoreNV(sum, staged_sums, at, SUM_STRIDE, false)

#include "matrix.glsl"
