#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup for 256 elements of a row, one an invocation and step; any width.

#include "rows.glsl"
#include "functions.glsl"
#include "feature.glsl"

#pragma vkdyn optional(fresh)
#pragma vkdyn variant(scalars, tile = 1x64x1)

layout(local_size_x = 64) in;

#include "reuse.glsl"

layout(std430, binding = 4) readonly buffer Fresh { float fresh[]; };
layout(std430, binding = 6) writeonly buffer Result { float result[]; };

void main() {
    uint row = gl_WorkGroupID.x;
    if (row >= min(rows.count, row_capacity)) return;
    bool is_fine = is_planned(feature);
    uint first = gl_WorkGroupID.y * 256u;
    uint end = row * width + min(first + 256u, width);
    for (uint i = row * width + first + gl_LocalInvocationID.x; i < end; i += 64u) {
        float value = texelFetch(cache, int(i / 4u))[i % 4u];
        if (HAS_FRESH) value = cached_scale * value + fresh_scale * fresh[i];
        result[i] = is_fine ? value : uintBitsToFloat(QUIET_NAN);
    }
}
