#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup for 256 elements of a row, one an invocation and step; any widths.

#include "rows.glsl"
#include "functions.glsl"
#include "feature.glsl"

#pragma vkdyn variant(scalars, tile = 1x64x1)

layout(local_size_x = 64) in;

#include "concatenate.glsl"

layout(std430, binding = 4) readonly buffer Fresh { float fresh[]; };
layout(std430, binding = 6) writeonly buffer Result { float result[]; };

void main() {
    uint row = gl_WorkGroupID.x;
    if (row >= min(rows.count, row_capacity)) return;
    bool is_fine = is_planned(feature);
    uint width = cached_width + fresh_width;
    uint first_cached = fresh_first != 0u ? fresh_width : 0u;
    uint first_fresh = fresh_first != 0u ? 0u : cached_width;
    uint first = gl_WorkGroupID.y * 256u;
    for (uint i = first + gl_LocalInvocationID.x; i < min(first + 256u, width); i += 64u) {
        float value;
        if (i >= first_fresh && i - first_fresh < fresh_width) {
            value = fresh[row * fresh_width + i - first_fresh];
        } else {
            uint element = row * cached_width + i - first_cached;
            value = texelFetch(cache, int(element / 4u))[element % 4u];
        }
        result[row * width + i] = is_fine ? value : uintBitsToFloat(QUIET_NAN);
    }
}
