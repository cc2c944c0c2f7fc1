#version 450
#extension GL_GOOGLE_include_directive : require

// One or more whole rows a workgroup, four elements an invocation and step, through a texel view; widths divisible by 4.

#include "rows.glsl"

#pragma vkdyn variant(quads1, tile = 1x16777216x1, ROWS = 1)
#pragma vkdyn variant(quads4, tile = 4x16777216x1, ROWS = 4)

layout(local_size_x = 64) in;

layout(constant_id = 10) const uint ROWS = 1u;

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
        for (uint i = gl_LocalInvocationID.x; i < quad_count; i += 64u) {
            result[row * quad_count + i] = texelFetch(source, int(from * quad_count + i));
        }
    }
}
