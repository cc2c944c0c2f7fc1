#version 450
#extension GL_GOOGLE_include_directive : require

// 1024 elements of a picture a workgroup, one an invocation and step.

#include "rows.glsl"
#include "denoise.glsl"

#pragma vkdyn optional(noise)
#pragma vkdyn variant(scalars, tile = 1024x1x1)

layout(local_size_x = 64) in;

layout(constant_id = 0) const bool HAS_NOISE = false;

layout(std430, binding = 0) readonly buffer Images { RowCount images; };
layout(std430, binding = 1) readonly buffer Denoise { DenoiseParameters denoise; };
layout(std430, binding = 2) readonly buffer Output { float output_[]; };
layout(std430, binding = 3) readonly buffer Noise { float noise[]; };
layout(std430, binding = 4) buffer Sample { float sample_[]; };
layout(std430, binding = 5) buffer History { float history[]; };

layout(push_constant) uniform Parameters {
    uint image_capacity;
    uint elements;
    uint copies;
};

// Terms of weight 0 are left out: what they would multiply may be anything.
float added(float sum, float weight, float value) { return weight == 0.0 ? sum : sum + weight * value; }

void main() {
    uint image = gl_WorkGroupID.z;
    uint count = min(images.count, image_capacity);
    if (image >= count) return;
    uint slots[4] = uint[](denoise.slot0, denoise.slot1, denoise.slot2, denoise.slot3);
    float weights[4] = float[](denoise.weight0, denoise.weight1, denoise.weight2, denoise.weight3);
    uint first = gl_WorkGroupID.x * 1024u;
    for (uint i = first + gl_LocalInvocationID.x; i < min(first + 1024u, elements); i += 64u) {
        uint place = image * elements + i;
        float x = sample_[place];
        float predicted = output_[place];
        if (copies == 2u) {
            float conditional = output_[count * elements + place];
            predicted = predicted + denoise.guidance * (conditional - predicted);
        }
        float stored = added(added(0.0, denoise.stored_sample, x), denoise.stored_output, predicted);
        float next = added(0.0, denoise.sample_weight, x);
        for (uint t = 0u; t < 4u; t++) {
            uint slot = slots[t];
            if (slot == NO_SLOT) continue;
            float value = stored;
            if (slot == denoise.saved_slot) {
                value = x;
            } else if (slot != denoise.stored_slot) {
                value = history[slot * image_capacity * elements + place];
            }
            next = added(next, weights[t], value);
        }
        if (HAS_NOISE) next = added(next, denoise.noise_weight, noise[place]);
        if (denoise.stored_slot != NO_SLOT) history[denoise.stored_slot * image_capacity * elements + place] = stored;
        if (denoise.saved_slot != NO_SLOT) history[denoise.saved_slot * image_capacity * elements + place] = x;
        sample_[place] = next;
    }
}
