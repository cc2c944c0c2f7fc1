#version 450
#extension GL_GOOGLE_include_directive : require

// The sources through texel views; the rotary part's stride and offset divisible by 4.

#include "rows.glsl"

#pragma vkdyn variant(quads, tile = 1x1x1)

layout(local_size_x = 64) in;

layout(binding = 2) uniform textureBuffer latent;
layout(binding = 3) uniform textureBuffer rotary;

#include "latent.glsl"

vec4 load_latent(uint element) { return texelFetch(latent, int(element / 4u)); }

vec4 load_rotary(uint element) { return texelFetch(rotary, int(element / 4u)); }

void main() { append(gl_WorkGroupID.x); }
