#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup for 64 channels of a merged row; any width.

#include "rows.glsl"
#include "functions.glsl"

#pragma vkdyn optional(sizes, result_sizes)
#pragma vkdyn variant(scalars, tile = 1x1x16)

layout(local_size_x = 64) in;

layout(constant_id = 0) const bool HAS_SIZES = false;
layout(constant_id = 1) const bool HAS_RESULT_SIZES = false;

layout(std430, binding = 0) readonly buffer Images { RowCount images; };
layout(std430, binding = 1) readonly buffer Source { float source[]; };
layout(std430, binding = 2) readonly buffer Sizes { float sizes[]; };
layout(std430, binding = 3) readonly buffer Offsets { uint offsets[]; };
layout(std430, binding = 4) readonly buffer Members { uint members[]; };
layout(std430, binding = 5) writeonly buffer Result { float result[]; };
layout(std430, binding = 6) writeonly buffer ResultSizes { float result_sizes[]; };

layout(push_constant) uniform Parameters {
    uint image_capacity;
    uint token_count;
    uint row_count;
    uint width;
};

void main() {
    uint row = gl_WorkGroupID.x;
    uint image = gl_WorkGroupID.y;
    if (image >= min(images.count, image_capacity)) return;
    uint first = offsets[image * (row_count + 1u) + row];
    uint end = offsets[image * (row_count + 1u) + row + 1u];
    uint start = image * token_count;
    uint result_row = image * row_count + row;
    uint i = gl_WorkGroupID.z * 64u + gl_LocalInvocationID.x;
    float total = 0.0;
    float sum = 0.0;
    float x = 0.0;
    for (uint p = first; p < end; p++) {
        uint token = start + members[start + p];
        float size = HAS_SIZES ? sizes[token] : 1.0;
        x = i < width ? source[token * width + i] : 0.0;
        sum += HAS_SIZES ? x * size : x;
        total += size;
    }
    if (HAS_RESULT_SIZES && i == 0u) result_sizes[result_row] = total;
    if (i >= width) return;
    // Of a single member, x is its channel as it is.
    result[result_row * width + i] = end - first == 1u ? x : sum * reciprocal(total);
}
