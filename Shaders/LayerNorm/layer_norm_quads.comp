#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup of 8 invocations a row, eight lanes each, through texel views; widths divisible by 4.

#define REDUCTION_QUADS
#include "rows.glsl"
#include "functions.glsl"
#include "reduction.glsl"

#pragma vkdyn variant(quads, tile = 1x1x1)

layout(local_size_x = 8) in;

layout(constant_id = 0) const bool HAS_WEIGHT = false;
layout(constant_id = 1) const bool HAS_BIAS = false;

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(binding = 1) uniform textureBuffer source;
layout(binding = 2) uniform textureBuffer weight;
layout(binding = 3) uniform textureBuffer bias;
layout(std430, binding = 4) writeonly buffer Result { vec4 result[]; };

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
    float scale = reciprocal(float(width));
    vec4 low = vec4(0.0);
    vec4 high = vec4(0.0);
    for (uint i = gl_LocalInvocationID.x; i < quad_count; i += 16u) {
        low += texelFetch(source, int(start + i));
        if (i + 8u < quad_count) high += texelFetch(source, int(start + i + 8u));
    }
    float mean = reduce_sum(low, high) * scale;
    low = vec4(0.0);
    high = vec4(0.0);
    for (uint i = gl_LocalInvocationID.x; i < quad_count; i += 16u) {
        vec4 x = texelFetch(source, int(start + i)) - mean;
        low += x * x;
        if (i + 8u < quad_count) {
            vec4 y = texelFetch(source, int(start + i + 8u)) - mean;
            high += y * y;
        }
    }
    float variance = reduce_sum(low, high) * scale;
    float factor = inverse_square_root(variance + epsilon);
    for (uint i = gl_LocalInvocationID.x; i < quad_count; i += 8u) {
        vec4 y = (texelFetch(source, int(start + i)) - mean) * factor;
        if (HAS_WEIGHT) y = y * texelFetch(weight, int(i));
        if (HAS_BIAS) y = y + texelFetch(bias, int(i));
        result[start + i] = y;
    }
}
