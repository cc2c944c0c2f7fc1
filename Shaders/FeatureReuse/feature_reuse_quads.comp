#version 450
#extension GL_GOOGLE_include_directive : require

// One or more whole rows a workgroup, four elements an invocation and step; widths divisible by 4.

#include "rows.glsl"
#include "functions.glsl"
#include "feature.glsl"

#pragma vkdyn variant(quads1, tile = 1x16777216x1, ROWS = 1)
#pragma vkdyn variant(quads4, tile = 4x16777216x1, ROWS = 4)

layout(local_size_x = 64) in;

layout(constant_id = 10) const uint ROWS = 1u;

#include "reuse.glsl"

layout(binding = 4) uniform textureBuffer fresh;
layout(std430, binding = 6) writeonly buffer Result { vec4 result[]; };

void main() {
    uint row_count = min(rows.count, row_capacity);
    uint first_row = gl_WorkGroupID.x * ROWS;
    if (first_row >= row_count) return;
    bool is_fine = is_planned(feature);
    uint end = min(first_row + ROWS, row_count) * (width / 4u);
    for (uint i = first_row * (width / 4u) + gl_LocalInvocationID.x; i < end; i += 64u) {
        vec4 value = texelFetch(cache, int(i));
        if (HAS_FRESH) value = value * cached_scale + texelFetch(fresh, int(i)) * fresh_scale;
        result[i] = is_fine ? value : vec4(uintBitsToFloat(QUIET_NAN));
    }
}
