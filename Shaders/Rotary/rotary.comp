#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup a row, one pair an invocation and step.

#include "rows.glsl"

#pragma vkdyn variant(pairs, tile = 1x1x1)

layout(local_size_x = 64) in;

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(std430, binding = 1) readonly buffer Positions { uint positions[]; };
layout(std430, binding = 2) readonly buffer Cosine { float cosine[]; };
layout(std430, binding = 3) readonly buffer Sine { float sine[]; };
layout(std430, binding = 4) buffer Data { float data[]; };

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
    uint pair_count = rotary_size / 2u;
    uint angles = positions[row] * pair_count;
    for (uint i = gl_LocalInvocationID.x; i < head_count * pair_count; i += 64u) {
        uint dimension = i % pair_count;
        uint first = row * stride + (i / pair_count) * head_size + dimension;
        uint second = first + pair_count;
        float c = cosine[angles + dimension];
        float s = sine[angles + dimension];
        float x = data[first];
        float y = data[second];
        data[first] = x * c - y * s;
        data[second] = y * c + x * s;
    }
}
