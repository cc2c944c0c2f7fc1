#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup for four slots of one head.

#include "rows.glsl"

#pragma vkdyn variant(quads, tile = 4x1x1, HEADS = 1)

layout(local_size_x = 64) in;

layout(std430, binding = 1) readonly buffer Source { vec4 source[]; };
layout(std430, binding = 2) readonly buffer Cache { vec4 cache[]; };

#include "expand.glsl"

vec4 load_source(uint texel) { return source[texel]; }

vec4 load_cache(uint texel) { return cache[texel]; }

void main() { expand(gl_WorkGroupID.x * 4u, gl_WorkGroupID.y); }
