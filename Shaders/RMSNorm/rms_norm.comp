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
layout(std430, binding = 2) readonly buffer Weight { float weight[]; };
layout(std430, binding = 3) writeonly buffer Result { float result[]; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint width;
    float epsilon;
};

void main() {
    uint row = gl_WorkGroupID.x;
    if (row >= min(rows.count, row_capacity)) return;
    uint start = row * width;
    float sum = 0.0;
    for (uint i = gl_LocalInvocationID.x; i < width; i += 64u) {
        float x = source[start + i];
        sum += x * x;
    }
    float mean = reduce_sum(sum) * reciprocal(float(width));
    float factor = inverse_square_root(mean + epsilon);
    for (uint i = gl_LocalInvocationID.x; i < width; i += 64u) {
        result[start + i] = weight[i] * (source[start + i] * factor);
    }
}
