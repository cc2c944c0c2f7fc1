#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup for 256 elements of a row, one an invocation and step; any width.

#include "rows.glsl"
#include "activation.glsl"

#pragma vkdyn variant(scalars, tile = 1x64x1)

layout(local_size_x = 64) in;

layout(constant_id = 0) const uint ACTIVATION = 0u;

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(std430, binding = 1) readonly buffer Source { float source[]; };
layout(std430, binding = 2) writeonly buffer Result { float result[]; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint width;
};

void main() {
    uint row = gl_WorkGroupID.x;
    if (row >= min(rows.count, row_capacity)) return;
    uint first = gl_WorkGroupID.y * 256u;
    for (uint i = first + gl_LocalInvocationID.x; i < min(first + 256u, width); i += 64u) {
        uint gate = row * 2u * width + i;
        result[row * width + i] = activate(source[gate], ACTIVATION) * source[gate + width];
    }
}
