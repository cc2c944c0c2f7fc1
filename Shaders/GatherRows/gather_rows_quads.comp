#version 450
#extension GL_GOOGLE_include_directive : require

// One or more whole rows a workgroup, four elements an invocation and load, through a texel view; widths divisible by
// 4.

#include "rows.glsl"

#pragma vkdyn variant(quads8, tile = 1x16777216x1, LANES = 8, ROWS = 1)
#pragma vkdyn variant(quads8_rows4, tile = 4x16777216x1, LANES = 8, ROWS = 4)
#pragma vkdyn variant(quads64, tile = 1x16777216x1, LANES = 64, ROWS = 1)

layout(local_size_x = LANES) in;

layout(constant_id = 10) const uint ROWS = 1u;

// Loads of an invocation that wait for nothing.
const uint BLOCK = 4u;

#include "index.glsl"
layout(binding = 2) uniform textureBuffer source;
layout(std430, binding = 3) writeonly buffer Result { vec4 result[]; };

void main() {
    uint first = gl_WorkGroupID.x * ROWS;
    uint end = min(first + ROWS, min(rows.count, row_capacity));
    uint quad_count = width / 4u;
    for (uint row = first; row < end; row++) {
        uint from = source_row(row);
        if (from == NO_ROW) continue;
        uint base = from * quad_count;
        uint i = gl_LocalInvocationID.x;
        for (; i + (BLOCK - 1u) * LANES < quad_count; i += BLOCK * LANES) {
            vec4 quads[BLOCK];
            for (uint j = 0u; j < BLOCK; j++) quads[j] = texelFetch(source, int(base + i + j * LANES));
            for (uint j = 0u; j < BLOCK; j++) result[row * quad_count + i + j * LANES] = quads[j];
        }
        for (; i < quad_count; i += LANES) result[row * quad_count + i] = texelFetch(source, int(base + i));
    }
}
