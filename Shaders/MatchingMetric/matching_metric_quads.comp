#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup of 8 invocations a row, eight lanes each, through a texel view; width, stride and offset divisible by
// 4.

#define REDUCTION_QUADS
#include "rows.glsl"
#include "functions.glsl"
#include "reduction.glsl"

#pragma vkdyn variant(quads, tile = 1x1x1)

layout(local_size_x = 8) in;

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(binding = 1) uniform textureBuffer source;
layout(std430, binding = 2) writeonly buffer Result { vec4 result[]; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint width;
    uint head_count;
    uint source_stride;
    uint source_offset;
};

vec4 head_sum(uint texel) {
    vec4 sum = vec4(0.0);
    for (uint head = 0u; head < head_count; head++) sum += texelFetch(source, int(texel + head * (width / 4u)));
    return sum;
}

void main() {
    uint row = gl_WorkGroupID.x;
    if (row >= min(rows.count, row_capacity)) return;
    uint quad_count = width / 4u;
    uint start = row * (source_stride / 4u) + source_offset / 4u;
    vec4 low = vec4(0.0);
    vec4 high = vec4(0.0);
    for (uint i = gl_LocalInvocationID.x; i < quad_count; i += 16u) {
        vec4 x = head_sum(start + i);
        low += x * x;
        if (i + 8u < quad_count) {
            vec4 y = head_sum(start + i + 8u);
            high += y * y;
        }
    }
    float norm = reduce_sum(low, high);
    float factor = norm == 0.0 ? 0.0 : inverse_square_root(norm);
    for (uint i = gl_LocalInvocationID.x; i < quad_count; i += 8u) {
        result[row * quad_count + i] = head_sum(start + i) * factor;
    }
}
