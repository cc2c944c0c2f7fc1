#version 450
#extension GL_GOOGLE_include_directive : require

// One or more whole rows a workgroup, four elements an invocation and step, through a texel view; widths divisible by 4.

#include "rows.glsl"

#pragma vkdyn optional(factors)
#pragma vkdyn variant(quads1, tile = 1x16777216x1, ROWS = 1)
#pragma vkdyn variant(quads4, tile = 4x16777216x1, ROWS = 4)

layout(local_size_x = 64) in;

layout(constant_id = 10) const uint ROWS = 1u;

#include "index.glsl"
layout(binding = 2) uniform textureBuffer source;
layout(std430, binding = 4) buffer Result { vec4 result[]; };

void main() {
    uint first = gl_WorkGroupID.x * ROWS;
    uint end = min(first + ROWS, min(rows.count, row_capacity));
    uint quad_count = width / 4u;
    for (uint row = first; row < end; row++) {
        uint to = result_row(row);
        if (to == NO_ROW) continue;
        for (uint i = gl_LocalInvocationID.x; i < quad_count; i += 64u) {
            vec4 value = texelFetch(source, int(row * quad_count + i));
            if (HAS_FACTORS) value = value * factors[row];
            if (ADD) value = result[to * quad_count + i] + value;
            result[to * quad_count + i] = value;
        }
    }
}
