#version 450
#extension GL_GOOGLE_include_directive : require

// Several rows a workgroup, one element an invocation and step; any k.

#include "rows.glsl"

#pragma vkdyn variant(lanes8_rows4, tile = 4x1x1, LANES = 8, ROWS = 4)
#pragma vkdyn variant(lanes64_rows16, tile = 16x1x1, LANES = 64, ROWS = 16)

layout(local_size_x = LANES) in;

layout(constant_id = 10) const uint ROWS = 1u;

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(std430, binding = 1) readonly buffer Indices { uint indices[]; };
layout(std430, binding = 2) readonly buffer Source { uint source[]; };
layout(std430, binding = 3) writeonly buffer Result { uint result[]; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint width;
    uint k;
};

void main() {
    uint first_row = gl_WorkGroupID.x * ROWS;
    uint end = min(first_row + ROWS, min(rows.count, row_capacity)) * k;
    for (uint i = first_row * k + gl_LocalInvocationID.x; i < end; i += LANES) {
        uint index = indices[i];
        uint word = 0xFFFFFFFFu;
        if (index < width) word = source[i / k * width + index];
        result[i] = word;
    }
}
