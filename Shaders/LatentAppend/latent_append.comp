#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup a row, four dimensions an invocation and step.

#include "rows.glsl"

#pragma vkdyn variant(scalars, tile = 1x1x1)

layout(local_size_x = 64) in;

layout(std430, binding = 2) readonly buffer Latent { float latent[]; };
layout(std430, binding = 3) readonly buffer Rotary { float rotary[]; };

#include "latent.glsl"

vec4 load_latent(uint element) {
    return vec4(latent[element], latent[element + 1u], latent[element + 2u], latent[element + 3u]);
}

vec4 load_rotary(uint element) {
    return vec4(rotary[element], rotary[element + 1u], rotary[element + 2u], rotary[element + 3u]);
}

void main() { append(gl_WorkGroupID.x); }
