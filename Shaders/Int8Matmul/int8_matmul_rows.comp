#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require

// For CPU drivers, which have no integer dot products: the register tiles of Matmul, whose f32 sums of a chunk are exact.

#include "rows.glsl"
#include "arithmetic.glsl"
#include "activation.glsl"
#include "parameters.glsl"

#pragma vkdyn variant(lanes8_rows1_quads2, tile = 16x1x1, ROWS = 1, QUADS = 2, LANES = 8)
#pragma vkdyn variant(lanes8_rows2_quads2, tile = 16x2x1, ROWS = 2, QUADS = 2, LANES = 8)
#pragma vkdyn variant(lanes8_rows4_quads2, tile = 16x4x1, ROWS = 4, QUADS = 2, LANES = 8)
#pragma vkdyn variant(lanes8_rows8_quads2, tile = 16x8x1, ROWS = 8, QUADS = 2, LANES = 8)
#pragma vkdyn variant(lanes8_rows16_quads3, tile = 24x16x1, ROWS = 16, QUADS = 3, LANES = 8)

layout(local_size_x = LANES) in;

layout(constant_id = 10) const uint ROWS = 1u;
layout(constant_id = 11) const uint QUADS = 1u;

// A texel is four numbers of a row.
layout(binding = 1) uniform itextureBuffer source;

#define EXACT_INTEGERS
#include "product.glsl"
#include "epilogue.glsl"

void main() {
    uint quad_count = (columns + 3u) / 4u;
    uint first_quad = gl_WorkGroupID.x * LANES * QUADS + gl_LocalInvocationID.x;
    uint first_row = gl_WorkGroupID.y * ROWS;
    uint row_count = min(rows.count, row_capacity);
    if (first_quad >= quad_count || first_row >= row_count) return;
    uint x[ROWS];
    // A row beyond the count repeats the first: its sums are never stored.
    UNROLL for (uint r = 0u; r < unrolled(ROWS); r++) {
        x[r] = (first_row + r < row_count ? first_row + r : first_row) * word_rows(depth);
    }
    accumulate(x, first_quad, quad_count, 0u);
    vec4 staged[ROWS * QUADS];
    UNROLL for (uint i = 0u; i < unrolled(ROWS * QUADS); i++) staged[i] = total[i];
    uint own_rows = min(row_count - first_row, ROWS);
    for (uint q = 0u; q < QUADS; q++) {
        uint quad = first_quad + q * LANES;
        if (quad >= quad_count) break;
        for (uint r = 0u; r < own_rows; r++) {
            uint row = first_row + r;
            store_quad(0u, result_offset + row * result_stride, quad, staged[q * ROWS + r] * source_scales[row]);
        }
    }
}
