#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require

// Several rows and quads of columns in an invocation's registers, as in Matmul; a tile of more rows is done in turns.
// Depths and groups of whole texels.

#include "rows.glsl"
#include "expert_tile.glsl"
#include "arithmetic.glsl"
#include "activation.glsl"
#include "parameters.glsl"

#pragma vkdyn variant(lanes8_rows1_quads2, tile = 16x1x1, ROWS = 1, QUADS = 2, LANES = 8)
#pragma vkdyn variant(lanes8_rows2_quads2, tile = 16x1x1, ROWS = 2, QUADS = 2, LANES = 8)
#pragma vkdyn variant(lanes8_rows4_quads2, tile = 16x1x1, ROWS = 4, QUADS = 2, LANES = 8)
#pragma vkdyn variant(lanes8_rows8_quads2, tile = 16x1x1, ROWS = 8, QUADS = 2, LANES = 8)
#pragma vkdyn variant(lanes8_rows16_quads3, tile = 24x1x1, ROWS = 16, QUADS = 3, LANES = 8)
#pragma vkdyn variant(lanes32_rows1_quads1, tile = 32x1x1, ROWS = 1, QUADS = 1, LANES = 32)
#pragma vkdyn variant(lanes32_rows4_quads1, tile = 32x1x1, ROWS = 4, QUADS = 1, LANES = 32)
#pragma vkdyn variant(lanes32_rows8_quads1, tile = 32x1x1, ROWS = 8, QUADS = 1, LANES = 32)

layout(local_size_x = LANES) in;

layout(constant_id = 10) const uint ROWS = 1u;
layout(constant_id = 11) const uint QUADS = 1u;

layout(binding = 4) uniform textureBuffer source;

#include "product.glsl"
#include "epilogue.glsl"

void main() {
    uint quad_count = (columns + 3u) / 4u;
    uint first_quad = gl_WorkGroupID.x * LANES * QUADS + gl_LocalInvocationID.x;
    if (first_quad >= quad_count || gl_WorkGroupID.y >= min(tile_count.count, tile_capacity)) return;
    ExpertTile tile = tiles[gl_WorkGroupID.y];
    uint slot = slot_of(tile.expert);
    if (slot == NO_SLOT) return;
    uint last = min(tile.first + min(tile.count, tile_rows), position_count);
    for (uint first = tile.first; first < last; first += ROWS) {
        uint x[ROWS];
        // A row beyond the tile repeats its first: its sums are never stored.
        UNROLL for (uint r = 0u; r < unrolled(ROWS); r++) {
            x[r] = source_row(first + r < last ? first + r : first) * (depth / 4u);
        }
        accumulate(x, first_quad, quad_count, slot);
        // Indexed at run time, so that the epilogue stands in the program once; `total` itself stays in registers.
        vec4 staged[ROWS * QUADS];
        UNROLL for (uint i = 0u; i < unrolled(ROWS * QUADS); i++) staged[i] = total[i];
        uint own_rows = min(last - first, ROWS);
        for (uint q = 0u; q < QUADS; q++) {
            uint quad = first_quad + q * LANES;
            if (quad >= quad_count) break;
            for (uint r = 0u; r < own_rows; r++) {
                store_quad(tile.expert, place_of(first + r), quad, staged[q * ROWS + r]);
            }
        }
    }
}
