#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup a row, four dimensions of a key or a value an invocation and step.

#include "rows.glsl"
#include "half.glsl"

#pragma vkdyn optional(slots)
#pragma vkdyn variant(scalars, tile = 1x1x1)
#pragma vkdyn variant(scalars_half, tile = 1x1x1, CACHE_HALVES = 1)

layout(local_size_x = 64) in;

layout(std430, binding = 2) readonly buffer Source { float source[]; };

#include "append.glsl"

vec4 load(uint element) {
    return vec4(source[element], source[element + 1u], source[element + 2u], source[element + 3u]);
}

void main() { append(gl_WorkGroupID.x); }
