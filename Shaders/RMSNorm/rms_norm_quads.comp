#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup of 8 invocations a row, eight lanes each, through texel views; widths divisible by 4.

#define REDUCTION_QUADS
#include "rows.glsl"
#include "functions.glsl"
#include "reduction.glsl"

#pragma vkdyn variant(quads, tile = 1x1x1)

layout(local_size_x = 8) in;

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(binding = 1) uniform textureBuffer source;
layout(binding = 2) uniform textureBuffer weight;
layout(std430, binding = 3) writeonly buffer Result { vec4 result[]; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint width;
    float epsilon;
};

void main() {
    uint row = gl_WorkGroupID.x;
    if (row >= min(rows.count, row_capacity)) return;
    uint quad_count = width / 4u;
    uint start = row * quad_count;
    vec4 low = vec4(0.0);
    vec4 high = vec4(0.0);
    for (uint i = gl_LocalInvocationID.x; i < quad_count; i += 16u) {
        vec4 x = texelFetch(source, int(start + i));
        low += x * x;
        if (i + 8u < quad_count) {
            vec4 y = texelFetch(source, int(start + i + 8u));
            high += y * y;
        }
    }
    float mean = reduce_sum(low, high) * reciprocal(float(width));
    float factor = inverse_square_root(mean + epsilon);
    for (uint i = gl_LocalInvocationID.x; i < quad_count; i += 8u) {
        result[start + i] = texelFetch(weight, int(i)) * (texelFetch(source, int(start + i)) * factor);
    }
}
