#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup for 256 elements of a row, one an invocation and step; any widths.

#include "rows.glsl"

#pragma vkdyn variant(scalars, tile = 1x64x1)

layout(local_size_x = 64) in;

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(std430, binding = 1) readonly buffer First { float first[]; };
layout(std430, binding = 2) readonly buffer Second { float second[]; };
layout(std430, binding = 3) writeonly buffer Result { float result[]; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint first_width;
    uint second_width;
};

void main() {
    uint row = gl_WorkGroupID.x;
    if (row >= min(rows.count, row_capacity)) return;
    uint width = first_width + second_width;
    uint start = gl_WorkGroupID.y * 256u;
    for (uint i = start + gl_LocalInvocationID.x; i < min(start + 256u, width); i += 64u) {
        float value;
        if (i < first_width) {
            value = first[row * first_width + i];
        } else {
            value = second[row * second_width + (i - first_width)];
        }
        result[row * width + i] = value;
    }
}
