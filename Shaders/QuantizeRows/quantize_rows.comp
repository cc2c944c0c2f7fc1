#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup of 64 lanes a row; any width.

#include "rows.glsl"
#include "functions.glsl"
#include "reduction.glsl"
#include "quantize.glsl"

#pragma vkdyn variant(lanes, tile = 1x1x1)

layout(local_size_x = 64) in;

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(std430, binding = 1) readonly buffer Source { float source[]; };
layout(std430, binding = 2) writeonly buffer Result { uint result[]; };
layout(std430, binding = 3) writeonly buffer Scales { float scales[]; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint width;
};

void main() {
    uint row = gl_WorkGroupID.x;
    if (row >= min(rows.count, row_capacity)) return;
    uint lane = gl_LocalInvocationID.x;
    uint start = row * width;
    uint own = 0u;
    for (uint i = lane; i < width; i += 64u) own = max(own, floatBitsToUint(source[start + i]) & 0x7FFFFFFFu);
    uint maximum = reduce_maximum(own);
    float factor = factor_of(maximum);
    uint word_count = (width + 3u) / 4u;
    for (uint word = lane; word < word_count; word += 64u) {
        uint packed = 0u;
        for (uint part = 0u; part < 4u; part++) {
            uint i = word * 4u + part;
            if (i < width) packed |= number(source[start + i], factor) << (8u * part);
        }
        result[row * word_count + word] = packed;
    }
    if (lane == 0u) scales[row] = scale_of(maximum);
}
