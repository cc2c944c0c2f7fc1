#version 450
#extension GL_GOOGLE_include_directive : require

// 1024 elements of a picture a workgroup, one an invocation and step.

#include "rows.glsl"
#include "denoise.glsl"

#pragma vkdyn variant(scalars, tile = 1024x1x1)

layout(local_size_x = 64) in;

layout(std430, binding = 0) readonly buffer Images { RowCount images; };
layout(std430, binding = 1) readonly buffer Denoise { DenoiseParameters denoise; };
layout(std430, binding = 2) readonly buffer Sample { float sample_[]; };
layout(std430, binding = 3) writeonly buffer Result { float result[]; };

layout(push_constant) uniform Parameters {
    uint image_capacity;
    uint elements;
    uint copies;
};

void main() {
    uint image = gl_WorkGroupID.z;
    uint count = min(images.count, image_capacity);
    if (image >= count) return;
    float scale = denoise.input_scale;
    uint first = gl_WorkGroupID.x * 1024u;
    for (uint i = first + gl_LocalInvocationID.x; i < min(first + 1024u, elements); i += 64u) {
        float value = sample_[image * elements + i] * scale;
        for (uint copy = 0u; copy < copies; copy++) result[(copy * count + image) * elements + i] = value;
    }
}
