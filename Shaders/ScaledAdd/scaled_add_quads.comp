#version 450
#extension GL_GOOGLE_include_directive : require

// One or more whole rows a workgroup, four elements an invocation and step, through texel views; widths divisible by 4.

#include "rows.glsl"

#pragma vkdyn optional(residual)
#pragma vkdyn variant(quads1, tile = 1x16777216x1, ROWS = 1)
#pragma vkdyn variant(quads4, tile = 4x16777216x1, ROWS = 4)

layout(local_size_x = 64) in;

layout(constant_id = 0) const bool HAS_RESIDUAL = false;
layout(constant_id = 10) const uint ROWS = 1u;

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(binding = 1) uniform textureBuffer source;
layout(binding = 2) uniform textureBuffer scale;
layout(binding = 3) uniform textureBuffer residual;
layout(std430, binding = 4) writeonly buffer Result { vec4 result[]; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint width;
};

void main() {
    uint row_count = min(rows.count, row_capacity);
    uint quad_count = width / 4u;
    uint first_row = gl_WorkGroupID.x * ROWS;
    uint end = min(first_row + ROWS, row_count) * quad_count;
    for (uint i = first_row * quad_count + gl_LocalInvocationID.x; i < end; i += 64u) {
        vec4 value = texelFetch(source, int(i)) * texelFetch(scale, int(i % quad_count));
        if (HAS_RESIDUAL) value = texelFetch(residual, int(i)) + value;
        result[i] = value;
    }
}
