#version 450
#extension GL_GOOGLE_include_directive : require

// One frequency an invocation.

#include "trigonometry.glsl"
#include "denoise.glsl"

#pragma vkdyn variant(scalars, tile = 64x1x1)

layout(local_size_x = 64) in;

layout(std430, binding = 0) readonly buffer Denoise { DenoiseParameters denoise; };
layout(std430, binding = 1) readonly buffer Frequencies { float frequencies[]; };
layout(std430, binding = 2) writeonly buffer Result { float result[]; };

layout(push_constant) uniform Parameters {
    uint half_;
    uint sines_first;
};

void main() {
    uint i = gl_GlobalInvocationID.x;
    if (i >= half_) return;
    float angle = denoise.timestep * frequencies[i];
    uint first_cosine = sines_first != 0u ? half_ : 0u;
    result[first_cosine + i] = cosine(angle);
    result[half_ - first_cosine + i] = sine(angle);
}
