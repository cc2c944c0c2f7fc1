#version 450
#extension GL_GOOGLE_include_directive : require

// The source through a texel view; stride and offsets divisible by 4.

#include "rows.glsl"
#include "half.glsl"

#pragma vkdyn optional(slots)
#pragma vkdyn variant(quads, tile = 1x1x1)
#pragma vkdyn variant(quads_half, tile = 1x1x1, CACHE_HALVES = 1)

layout(local_size_x = 64) in;

layout(binding = 2) uniform textureBuffer source;

#include "append.glsl"

vec4 load(uint element) { return texelFetch(source, int(element / 4u)); }

void main() { append(gl_WorkGroupID.x); }
