#version 450
#extension GL_GOOGLE_include_directive : require

// One or more whole rows a workgroup, four elements an invocation and step; both widths divisible by 4.

#include "rows.glsl"

#pragma vkdyn variant(quads1, tile = 1x16777216x1, ROWS = 1)
#pragma vkdyn variant(quads4, tile = 4x16777216x1, ROWS = 4)

layout(local_size_x = 64) in;

layout(constant_id = 10) const uint ROWS = 1u;

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(binding = 1) uniform textureBuffer first;
layout(binding = 2) uniform textureBuffer second;
layout(std430, binding = 3) writeonly buffer Result { vec4 result[]; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint first_width;
    uint second_width;
};

void main() {
    uint first_quads = first_width / 4u;
    uint second_quads = second_width / 4u;
    uint quads = first_quads + second_quads;
    uint first_row = gl_WorkGroupID.x * ROWS;
    uint end = min(first_row + ROWS, min(rows.count, row_capacity));
    for (uint row = first_row; row < end; row++) {
        for (uint i = gl_LocalInvocationID.x; i < first_quads; i += 64u) {
            result[row * quads + i] = texelFetch(first, int(row * first_quads + i));
        }
        for (uint i = gl_LocalInvocationID.x; i < second_quads; i += 64u) {
            result[row * quads + first_quads + i] = texelFetch(second, int(row * second_quads + i));
        }
    }
}
