#version 450
#extension GL_GOOGLE_include_directive : require

// One or more whole rows a workgroup, four elements an invocation and step, through a texel view; sizes, offsets and
// strides divisible by 4.

#include "rows.glsl"

#pragma vkdyn variant(quads1, tile = 1x16777216x1, ROWS = 1)
#pragma vkdyn variant(quads4, tile = 4x16777216x1, ROWS = 4)

layout(local_size_x = 64) in;

layout(constant_id = 10) const uint ROWS = 1u;

#include "parameters.glsl"
layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(binding = 1) uniform textureBuffer source;
layout(std430, binding = 2) writeonly buffer Result { vec4 result[]; };

void main() {
    uint row_count = min(rows.count, row_capacity);
    uint quad_count = head_count * (first_size + second_size) / 4u;
    uint first_row = gl_WorkGroupID.x * ROWS;
    uint end = min(first_row + ROWS, row_count) * quad_count;
    for (uint i = first_row * quad_count + gl_LocalInvocationID.x; i < end; i += 64u) {
        uint row = i / quad_count;
        uint column = source_column((i - row * quad_count) * 4u);
        result[i] = texelFetch(source, int((row * stride + column) / 4u));
    }
}
