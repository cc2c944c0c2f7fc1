#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require

// Several rows and quads of columns in an invocation's registers; depths, strides and groups of whole texels.

#include "rows.glsl"
#include "arithmetic.glsl"
#include "activation.glsl"
#include "parameters.glsl"

// LANES is 8 for CPU drivers, where a workgroup streams through one block of columns a quad, and 32 for GPUs. Large
// tiles need fewer loads a product, small ones more workgroups.
#pragma vkdyn variant(lanes8_rows1_quads1, tile = 8x1x1, ROWS = 1, QUADS = 1, LANES = 8)
#pragma vkdyn variant(lanes8_rows4_quads1, tile = 8x4x1, ROWS = 4, QUADS = 1, LANES = 8)
#pragma vkdyn variant(lanes8_rows1_quads2, tile = 16x1x1, ROWS = 1, QUADS = 2, LANES = 8)
#pragma vkdyn variant(lanes8_rows2_quads2, tile = 16x2x1, ROWS = 2, QUADS = 2, LANES = 8)
#pragma vkdyn variant(lanes8_rows3_quads2, tile = 16x3x1, ROWS = 3, QUADS = 2, LANES = 8)
#pragma vkdyn variant(lanes8_rows4_quads2, tile = 16x4x1, ROWS = 4, QUADS = 2, LANES = 8)
#pragma vkdyn variant(lanes8_rows5_quads2, tile = 16x5x1, ROWS = 5, QUADS = 2, LANES = 8)
#pragma vkdyn variant(lanes8_rows6_quads2, tile = 16x6x1, ROWS = 6, QUADS = 2, LANES = 8)
#pragma vkdyn variant(lanes8_rows8_quads2, tile = 16x8x1, ROWS = 8, QUADS = 2, LANES = 8)
#pragma vkdyn variant(lanes8_rows16_quads3, tile = 24x16x1, ROWS = 16, QUADS = 3, LANES = 8)
#pragma vkdyn variant(lanes32_rows1_quads1, tile = 32x1x1, ROWS = 1, QUADS = 1, LANES = 32)
#pragma vkdyn variant(lanes32_rows2_quads1, tile = 32x2x1, ROWS = 2, QUADS = 1, LANES = 32)
#pragma vkdyn variant(lanes32_rows4_quads1, tile = 32x4x1, ROWS = 4, QUADS = 1, LANES = 32)
#pragma vkdyn variant(lanes32_rows8_quads1, tile = 32x8x1, ROWS = 8, QUADS = 1, LANES = 32)

layout(local_size_x = LANES) in;

layout(constant_id = 10) const uint ROWS = 1u;
layout(constant_id = 11) const uint QUADS = 1u;

layout(binding = 1) uniform textureBuffer source;

#include "product.glsl"
#include "epilogue.glsl"

void main() {
    uint quad_count = (columns + 3u) / 4u;
    uint first_quad = gl_WorkGroupID.x * LANES * QUADS + gl_LocalInvocationID.x;
    uint first_row = gl_WorkGroupID.y * ROWS;
    uint batch = gl_WorkGroupID.z;
    uint row_count = min(rows.count, row_capacity);
    if (first_quad >= quad_count || first_row >= row_count) return;
    uint x[ROWS];
    // A row beyond the count repeats the first: its sums are never stored.
    UNROLL for (uint r = 0u; r < unrolled(ROWS); r++) {
        uint row = first_row + r < row_count ? first_row + r : first_row;
        x[r] = (source_offset + batch * source_batch_stride + row * source_stride) / 4u;
    }
    accumulate(x, first_quad, quad_count, batch);
    // Indexed at run time, so that the epilogue stands in the program once; `total` itself stays in registers.
    vec4 staged[ROWS * QUADS];
    UNROLL for (uint i = 0u; i < unrolled(ROWS * QUADS); i++) staged[i] = total[i];
    uint own_rows = min(row_count - first_row, ROWS);
    for (uint q = 0u; q < QUADS; q++) {
        uint quad = first_quad + q * LANES;
        if (quad >= quad_count) break;
        for (uint r = 0u; r < own_rows; r++) store_quad(batch, place_of(first_row + r, batch), quad, staged[q * ROWS + r]);
    }
}
