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
layout(std430, binding = 2) writeonly buffer Result { float result[]; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint width;
    uint result_offset;
};

vec4 weights(vec4 x, float maximum) {
    return vec4(exponential(x.x - maximum), exponential(x.y - maximum), exponential(x.z - maximum),
                exponential(x.w - maximum));
}

void main() {
    uint row = gl_WorkGroupID.x;
    if (row >= min(rows.count, row_capacity)) return;
    uint quad_count = width / 4u;
    uint start = row * quad_count;
    uint key = 0u;
    for (uint i = gl_LocalInvocationID.x; i < quad_count; i += 8u) {
        vec4 x = texelFetch(source, int(start + i));
        key = max(key, max(max(order_key(x.x), order_key(x.y)), max(order_key(x.z), order_key(x.w))));
    }
    float maximum = from_order_key(reduce_maximum(key));
    vec4 low = vec4(0.0);
    vec4 high = vec4(0.0);
    for (uint i = gl_LocalInvocationID.x; i < quad_count; i += 16u) {
        low += weights(texelFetch(source, int(start + i)), maximum);
        if (i + 8u < quad_count) high += weights(texelFetch(source, int(start + i + 8u)), maximum);
    }
    float scale = reciprocal(reduce_sum(low, high));
    for (uint i = gl_LocalInvocationID.x; i < quad_count; i += 8u) {
        vec4 y = weights(texelFetch(source, int(start + i)), maximum) * scale;
        uint first = result_offset + (start + i) * 4u;
        result[first] = y.x;
        result[first + 1u] = y.y;
        result[first + 2u] = y.z;
        result[first + 3u] = y.w;
    }
}
