#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup for 4 · LANES channels of a merged row, through a texel view; widths divisible by 4.

#include "rows.glsl"
#include "functions.glsl"

#pragma vkdyn variant(quads16, tile = 1x1x16, LANES = 16)
#pragma vkdyn variant(quads64, tile = 1x1x64, LANES = 64)

layout(local_size_x = LANES) in;

layout(constant_id = 0) const bool HAS_SIZES = false;
layout(constant_id = 1) const bool HAS_RESULT_SIZES = false;

layout(std430, binding = 0) readonly buffer Images { RowCount images; };
layout(binding = 1) uniform textureBuffer source;
layout(std430, binding = 2) readonly buffer Sizes { float sizes[]; };
layout(std430, binding = 3) readonly buffer Offsets { uint offsets[]; };
layout(std430, binding = 4) readonly buffer Members { uint members[]; };
layout(std430, binding = 5) writeonly buffer Result { vec4 result[]; };
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
    uint quad_count = width / 4u;
    uint i = gl_WorkGroupID.z * LANES + gl_LocalInvocationID.x;
    float total = 0.0;
    vec4 sum = vec4(0.0);
    vec4 x = vec4(0.0);
    for (uint p = first; p < end; p++) {
        uint token = start + members[start + p];
        float size = HAS_SIZES ? sizes[token] : 1.0;
        // Beyond the width another channel of the row is read and left out.
        x = texelFetch(source, int(token * quad_count + min(i, quad_count - 1u)));
        sum += HAS_SIZES ? x * size : x;
        total += size;
    }
    if (HAS_RESULT_SIZES && i == 0u) result_sizes[result_row] = total;
    if (i >= quad_count) return;
    // Of a single member, x is its channels as they are.
    result[result_row * quad_count + i] = end - first == 1u ? x : sum * reciprocal(total);
}
