#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup a row, four pairs an invocation and step; head and row strides divisible by 4, rotary_size by 8.

#include "rows.glsl"

#pragma vkdyn variant(quads, tile = 1x1x1)

layout(local_size_x = 64) in;

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(std430, binding = 1) readonly buffer Positions { uint positions[]; };
layout(binding = 2) uniform textureBuffer cosine;
layout(binding = 3) uniform textureBuffer sine;
layout(std430, binding = 4) buffer Data { vec4 data[]; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint head_count;
    uint head_size;
    uint rotary_size;
    uint stride;
};

void main() {
    uint row = gl_WorkGroupID.x;
    if (row >= min(rows.count, row_capacity)) return;
    uint quad_count = rotary_size / 8u;
    uint angles = positions[row] * quad_count;
    for (uint i = gl_LocalInvocationID.x; i < head_count * quad_count; i += 64u) {
        uint quad = i % quad_count;
        uint first = (row * stride + (i / quad_count) * head_size) / 4u + quad;
        uint second = first + quad_count;
        vec4 c = texelFetch(cosine, int(angles + quad));
        vec4 s = texelFetch(sine, int(angles + quad));
        vec4 x = data[first];
        vec4 y = data[second];
        data[first] = x * c - y * s;
        data[second] = y * c + x * s;
    }
}
