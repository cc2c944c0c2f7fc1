#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup for 256 elements of a row, one or, narrowed, a pair an invocation and step.

#include "rows.glsl"
#include "step.glsl"
#include "half.glsl"

#pragma vkdyn variant(scalars, tile = 1x64x1)
#pragma vkdyn variant(half_scalars, tile = 1x64x1, HALF = 1)

layout(local_size_x = 64) in;

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(std430, binding = 1) readonly buffer Step { StepParameters step_parameters; };
layout(std430, binding = 2) readonly buffer Source { float source[]; };
layout(std430, binding = 3) writeonly buffer Cache { uint cache[]; };
layout(std430, binding = 4) writeonly buffer Stamps { uint stamps[]; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint width;
    uint feature;
};

void main() {
    uint row = gl_WorkGroupID.x;
    if (row >= min(rows.count, row_capacity)) return;
    uint first = gl_WorkGroupID.y * 256u;
    if (row == 0u && first == 0u && gl_LocalInvocationID.x == 0u) stamps[feature] = step_parameters.step;
    uint end = row * width + min(first + 256u, width);
#ifdef HALF
    // Rows are of whole words, for the width is even.
    for (uint i = row * width + first + 2u * gl_LocalInvocationID.x; i < end; i += 128u) {
        cache[i / 2u] = narrow_half(source[i]) | narrow_half(source[i + 1u]) << 16;
    }
#else
    for (uint i = row * width + first + gl_LocalInvocationID.x; i < end; i += 64u) {
        cache[i] = floatBitsToUint(source[i]);
    }
#endif
}
