#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup of 8 invocations a row, eight lanes each, through texel views.
//
// A row need not begin with a texel. Texels are taken as they lie, so that the sums' lanes stand rotated by what the
// first texel holds of the row before: the tree pairs lanes 32, 16, … 1 apart, which a rotation maps onto such pairs,
// and a + b is b + a. What lies outside the row is skipped.

#define REDUCTION_QUADS
#include "rows.glsl"
#include "functions.glsl"
#include "reduction.glsl"

#pragma vkdyn variant(texels, tile = 1x1x1)

layout(local_size_x = 8) in;

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(binding = 1) uniform textureBuffer source;
layout(std430, binding = 2) writeonly buffer Result { float result[]; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint width;
    uint result_offset;
};

// Which components of a texel belong to the row that starts at an element.
bvec4 in_row(uint texel, uint start) {
    return lessThan(uvec4(0u, 1u, 2u, 3u) + (texel * 4u - start), uvec4(width));
}

vec4 weights(uint texel, float maximum) {
    vec4 x = texelFetch(source, int(texel));
    return vec4(exponential(x.x - maximum), exponential(x.y - maximum), exponential(x.z - maximum),
                exponential(x.w - maximum));
}

vec4 own_weights(uint texel, uint start, float maximum) {
    return mix(vec4(0.0), weights(texel, maximum), in_row(texel, start));
}

void main() {
    uint row = gl_WorkGroupID.x;
    if (row >= min(rows.count, row_capacity)) return;
    uint start = row * width;
    uint stop = (start + width + 3u) / 4u;
    uint first = start / 4u + gl_LocalInvocationID.x;
    uint key = 0u;
    // CPU drivers run the body of a loop once more than needed unless its test stands at the end.
    uint texel = first;
    do {
        vec4 x = texelFetch(source, int(texel));
        bvec4 own = in_row(texel, start);
        key = max(key, max(max(own.x ? order_key(x.x) : 0u, own.y ? order_key(x.y) : 0u),
                           max(own.z ? order_key(x.z) : 0u, own.w ? order_key(x.w) : 0u)));
        texel += 8u;
    } while (texel < stop);
    float maximum = from_order_key(reduce_maximum(key));
    vec4 low = vec4(0.0);
    vec4 high = vec4(0.0);
    texel = first;
    do {
        low += own_weights(texel, start, maximum);
        high += own_weights(texel + 8u, start, maximum);
        texel += 16u;
    } while (texel < stop);
    float scale = reciprocal(reduce_sum(low, high));
    texel = first;
    do {
        vec4 y = weights(texel, maximum) * scale;
        bvec4 own = in_row(texel, start);
        uint element = result_offset + texel * 4u;
        if (own.x) result[element] = y.x;
        if (own.y) result[element + 1u] = y.y;
        if (own.z) result[element + 2u] = y.z;
        if (own.w) result[element + 3u] = y.w;
        texel += 8u;
    } while (texel < stop);
}
