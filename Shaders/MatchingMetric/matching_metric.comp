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
    uint head_count;
    uint source_stride;
    uint source_offset;
};

float head_sum(uint element) {
    float sum = 0.0;
    for (uint head = 0u; head < head_count; head++) sum += source[element + head * width];
    return sum;
}

void main() {
    uint row = gl_WorkGroupID.x;
    if (row >= min(rows.count, row_capacity)) return;
    uint start = row * source_stride + source_offset;
    float squares = 0.0;
    for (uint i = gl_LocalInvocationID.x; i < width; i += 64u) {
        float x = head_sum(start + i);
        squares += x * x;
    }
    float norm = reduce_sum(squares);
    float factor = norm == 0.0 ? 0.0 : inverse_square_root(norm);
    for (uint i = gl_LocalInvocationID.x; i < width; i += 64u) {
        result[row * width + i] = head_sum(start + i) * factor;
    }
}
