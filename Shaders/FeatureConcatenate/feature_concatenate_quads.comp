#version 450
#extension GL_GOOGLE_include_directive : require

// One or more whole rows a workgroup, four elements an invocation and step; both widths divisible by 4.

#include "rows.glsl"
#include "functions.glsl"
#include "feature.glsl"

#pragma vkdyn variant(quads1, tile = 1x16777216x1, ROWS = 1)
#pragma vkdyn variant(quads4, tile = 4x16777216x1, ROWS = 4)

layout(local_size_x = 64) in;

layout(constant_id = 10) const uint ROWS = 1u;

#include "concatenate.glsl"

layout(binding = 4) uniform textureBuffer fresh;
layout(std430, binding = 6) writeonly buffer Result { vec4 result[]; };

void main() {
    uint row_count = min(rows.count, row_capacity);
    uint first_row = gl_WorkGroupID.x * ROWS;
    if (first_row >= row_count) return;
    bool is_fine = is_planned(feature);
    uint cached_quads = cached_width / 4u;
    uint fresh_quads = fresh_width / 4u;
    uint quads = cached_quads + fresh_quads;
    uint first_cached = fresh_first != 0u ? fresh_quads : 0u;
    uint first_fresh = fresh_first != 0u ? 0u : cached_quads;
    for (uint row = first_row; row < min(first_row + ROWS, row_count); row++) {
        for (uint i = gl_LocalInvocationID.x; i < cached_quads; i += 64u) {
            vec4 value = texelFetch(cache, int(row * cached_quads + i));
            result[row * quads + first_cached + i] = is_fine ? value : vec4(uintBitsToFloat(QUIET_NAN));
        }
        for (uint i = gl_LocalInvocationID.x; i < fresh_quads; i += 64u) {
            vec4 value = texelFetch(fresh, int(row * fresh_quads + i));
            result[row * quads + first_fresh + i] = is_fine ? value : vec4(uintBitsToFloat(QUIET_NAN));
        }
    }
}
