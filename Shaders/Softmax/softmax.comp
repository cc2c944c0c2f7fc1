#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup of 64 lanes a row; any width.

#include "rows.glsl"
#include "functions.glsl"
#include "reduction.glsl"

#pragma vkdyn variant(lanes, tile = 1x1x1)

layout(local_size_x = 64) in;

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(std430, binding = 1) readonly buffer Source { float source[]; };
layout(std430, binding = 2) writeonly buffer Result { float result[]; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint width;
    uint result_offset;
};

void main() {
    uint row = gl_WorkGroupID.x;
    if (row >= min(rows.count, row_capacity)) return;
    uint start = row * width;
    uint key = 0u;
    for (uint i = gl_LocalInvocationID.x; i < width; i += 64u) key = max(key, order_key(source[start + i]));
    float maximum = from_order_key(reduce_maximum(key));
    float sum = 0.0;
    for (uint i = gl_LocalInvocationID.x; i < width; i += 64u) sum += exponential(source[start + i] - maximum);
    float scale = reciprocal(reduce_sum(sum));
    for (uint i = gl_LocalInvocationID.x; i < width; i += 64u) {
        result[result_offset + start + i] = exponential(source[start + i] - maximum) * scale;
    }
}
