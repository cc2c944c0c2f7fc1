#version 450
#extension GL_GOOGLE_include_directive : require

// 16 pixels and 64 channels a workgroup, one channel an invocation; any number of channels.

#include "rows.glsl"
#include "activation.glsl"

#pragma vkdyn variant(scalars, tile = 16x16x1)

layout(local_size_x = 64) in;

layout(constant_id = 0) const uint ACTIVATION = 0u;

layout(std430, binding = 0) readonly buffer Images { RowCount images; };
layout(std430, binding = 1) readonly buffer Source { float source[]; };
layout(std430, binding = 2) readonly buffer Statistics { float statistics[]; };
layout(std430, binding = 3) readonly buffer Weight { float weight[]; };
layout(std430, binding = 4) readonly buffer Bias { float bias[]; };
layout(std430, binding = 5) writeonly buffer Result { float result[]; };

layout(push_constant) uniform Parameters {
    uint image_capacity;
    uint pixels;
    uint channels;
    uint group_count;
};

void main() {
    uint channel = gl_WorkGroupID.y * 64u + gl_LocalInvocationID.x;
    uint image = gl_WorkGroupID.z;
    if (image >= min(images.count, image_capacity) || channel >= channels) return;
    uint group = (image * group_count + channel / (channels / group_count)) * 2u;
    float mean = statistics[group];
    float factor = statistics[group + 1u];
    float own_weight = weight[channel];
    float own_bias = bias[channel];
    uint first = gl_WorkGroupID.x * 16u;
    for (uint pixel = first; pixel < min(first + 16u, pixels); pixel++) {
        uint index = (image * pixels + pixel) * channels + channel;
        result[index] = activate(((source[index] - mean) * factor) * own_weight + own_bias, ACTIVATION);
    }
}
