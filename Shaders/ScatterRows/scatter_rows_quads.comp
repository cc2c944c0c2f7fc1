#version 450
#extension GL_GOOGLE_include_directive : require

// One or more whole rows a workgroup, four elements an invocation and load, through a texel view; widths divisible by
// 4.

#include "rows.glsl"

#pragma vkdyn optional(factors)
#pragma vkdyn variant(quads8, tile = 1x16777216x1, LANES = 8, ROWS = 1)
#pragma vkdyn variant(quads8_rows4, tile = 4x16777216x1, LANES = 8, ROWS = 4)
#pragma vkdyn variant(quads64, tile = 1x16777216x1, LANES = 64, ROWS = 1)

layout(local_size_x = LANES) in;

layout(constant_id = 10) const uint ROWS = 1u;

// Loads of an invocation that wait for nothing.
const uint BLOCK = 4u;

#include "index.glsl"
layout(binding = 2) uniform textureBuffer source;
layout(std430, binding = 4) buffer Result { vec4 result[]; };

void store_quad(vec4 value, float factor, uint index) {
    if (HAS_FACTORS) value = value * factor;
    if (ADD) value = result[index] + value;
    result[index] = value;
}

void main() {
    uint first = gl_WorkGroupID.x * ROWS;
    uint end = min(first + ROWS, min(rows.count, row_capacity));
    uint quad_count = width / 4u;
    for (uint row = first; row < end; row++) {
        uint to = result_row(row);
        if (to == NO_ROW) continue;
        float factor = HAS_FACTORS ? factors[row] : 1.0;
        uint from = row * quad_count;
        to *= quad_count;
        uint i = gl_LocalInvocationID.x;
        for (; i + (BLOCK - 1u) * LANES < quad_count; i += BLOCK * LANES) {
            vec4 quads[BLOCK];
            for (uint j = 0u; j < BLOCK; j++) quads[j] = texelFetch(source, int(from + i + j * LANES));
            for (uint j = 0u; j < BLOCK; j++) store_quad(quads[j], factor, to + i + j * LANES);
        }
        for (; i < quad_count; i += LANES) store_quad(texelFetch(source, int(from + i)), factor, to + i);
    }
}
