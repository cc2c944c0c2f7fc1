#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup of 64 lanes a row; any width.

#include "rows.glsl"
#include "functions.glsl"
#include "reduction.glsl"

#pragma vkdyn optional(weight, bias)
#pragma vkdyn variant(lanes, tile = 1x1x1)

layout(local_size_x = 64) in;

layout(constant_id = 0) const bool HAS_WEIGHT = false;
layout(constant_id = 1) const bool HAS_BIAS = false;

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(std430, binding = 1) readonly buffer Source { float source[]; };
layout(std430, binding = 2) readonly buffer Weight { float weight[]; };
layout(std430, binding = 3) readonly buffer Bias { float bias[]; };
layout(std430, binding = 4) writeonly buffer Result { float result[]; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint width;
    float epsilon;
};

void main() {
    uint row = gl_WorkGroupID.x;
    if (row >= min(rows.count, row_capacity)) return;
    uint start = row * width;
    float scale = reciprocal(float(width));
    float sum = 0.0;
    for (uint i = gl_LocalInvocationID.x; i < width; i += 64u) sum += source[start + i];
    float mean = reduce_sum(sum) * scale;
    float squares = 0.0;
    for (uint i = gl_LocalInvocationID.x; i < width; i += 64u) {
        float difference = source[start + i] - mean;
        squares += difference * difference;
    }
    float variance = reduce_sum(squares) * scale;
    float factor = inverse_square_root(variance + epsilon);
    for (uint i = gl_LocalInvocationID.x; i < width; i += 64u) {
        float y = (source[start + i] - mean) * factor;
        if (HAS_WEIGHT) y = y * weight[i];
        if (HAS_BIAS) y = y + bias[i];
        result[start + i] = y;
    }
}
