#version 450
#extension GL_GOOGLE_include_directive : require

// One or more whole rows a workgroup, four elements an invocation and step, through a texel view; widths divisible by
// 4.

#include "rows.glsl"
#include "step.glsl"
#include "half.glsl"

#pragma vkdyn variant(quads1, tile = 1x16777216x1, ROWS = 1)
#pragma vkdyn variant(quads4, tile = 4x16777216x1, ROWS = 4)
#pragma vkdyn variant(half_quads1, tile = 1x16777216x1, ROWS = 1, HALF = 1)
#pragma vkdyn variant(half_quads4, tile = 4x16777216x1, ROWS = 4, HALF = 1)

layout(local_size_x = 64) in;

layout(constant_id = 10) const uint ROWS = 1u;

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(std430, binding = 1) readonly buffer Step { StepParameters step_parameters; };
layout(binding = 2) uniform textureBuffer source;
#ifdef HALF
layout(std430, binding = 3) writeonly buffer Cache { uvec2 cache[]; };
uvec2 stored(vec4 x) { return narrow_halves(x); }
#else
layout(std430, binding = 3) writeonly buffer Cache { uvec4 cache[]; };
uvec4 stored(vec4 x) { return floatBitsToUint(x); }
#endif
layout(std430, binding = 4) writeonly buffer Stamps { uint stamps[]; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint width;
    uint feature;
};

void main() {
    uint row_count = min(rows.count, row_capacity);
    uint first_row = gl_WorkGroupID.x * ROWS;
    if (first_row >= row_count) return;
    if (first_row == 0u && gl_LocalInvocationID.x == 0u) stamps[feature] = step_parameters.step;
    uint end = min(first_row + ROWS, row_count) * (width / 4u);
    for (uint i = first_row * (width / 4u) + gl_LocalInvocationID.x; i < end; i += 64u) {
        cache[i] = stored(texelFetch(source, int(i)));
    }
}
