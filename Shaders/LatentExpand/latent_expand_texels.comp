#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup for four slots of eight heads, through texel views.

#include "rows.glsl"

#pragma vkdyn variant(texels, tile = 4x8x1, HEADS = 8)

layout(local_size_x = 64) in;

layout(binding = 1) uniform textureBuffer source;
layout(binding = 2) uniform textureBuffer cache;

#include "expand.glsl"

vec4 load_source(uint texel) { return texelFetch(source, int(texel)); }

vec4 load_cache(uint texel) { return texelFetch(cache, int(texel)); }

void main() { expand(gl_WorkGroupID.x * 4u, gl_WorkGroupID.y * HEADS); }
