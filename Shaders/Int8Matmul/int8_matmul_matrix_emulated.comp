#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require

// The body of the matrix variants with matrices in plain integer code, for any device. So `verify` runs that body where
// no device multiplies matrices; nothing chooses it for speed.

#include "rows.glsl"
#include "arithmetic.glsl"
#include "activation.glsl"
#include "parameters.glsl"
#include "packed.glsl"

#pragma vkdyn variant(matrix_emulated_16x16x32_lanes32, tile = 8x32x1, SIZE = 16, DEPTH = 32, LANES = 32)
#pragma vkdyn variant(matrix_emulated_16x16x16_lanes64, tile = 8x32x1, SIZE = 16, DEPTH = 16, LANES = 64)
#pragma vkdyn variant(matrix_emulated_8x8x8_lanes8, tile = 8x32x1, SIZE = 8, DEPTH = 8, LANES = 8)

// Operands stay in shared memory, at the place of their first row or column; element e of an invocation is number
// e · LANES + lane of the sums, row by row.
#define SourceMatrix uint
#define WeightMatrix uint
struct SumMatrix { int elements[SIZE * SIZE / LANES]; };

#define MATRIX_EMULATION
#include "matrix.glsl"
