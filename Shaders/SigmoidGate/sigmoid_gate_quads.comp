#version 450
#extension GL_GOOGLE_include_directive : require

// One or more whole rows a workgroup, four elements an invocation and step, through a texel view; widths divisible by 4.

#include "rows.glsl"
#include "functions.glsl"

#pragma vkdyn variant(quads1, tile = 1x16777216x1, ROWS = 1)
#pragma vkdyn variant(quads4, tile = 4x16777216x1, ROWS = 4)

layout(local_size_x = 64) in;

layout(constant_id = 10) const uint ROWS = 1u;

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(std430, binding = 1) readonly buffer Gate { float gate[]; };
layout(binding = 2) uniform textureBuffer source;
layout(std430, binding = 3) writeonly buffer Result { vec4 result[]; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint width;
};

void main() {
    uint first_row = gl_WorkGroupID.x * ROWS;
    uint last_row = min(first_row + ROWS, min(rows.count, row_capacity));
    uint quad_count = width / 4u;
    for (uint row = first_row; row < last_row; row++) {
        float factor = reciprocal(1.0 + exponential(-gate[row]));
        uint end = (row + 1u) * quad_count;
        for (uint i = row * quad_count + gl_LocalInvocationID.x; i < end; i += 64u) {
            result[i] = texelFetch(source, int(i)) * factor;
        }
    }
}
