#version 450
#extension GL_GOOGLE_include_directive : require

// One block of pixels and 64 channels a workgroup, one channel an invocation; any number of channels.

#include "rows.glsl"
#include "functions.glsl"
#include "moments.glsl"

#pragma vkdyn variant(scalars, tile = 1x16x1)

layout(local_size_x = 64) in;

layout(std430, binding = 0) readonly buffer Images { RowCount images; };
layout(std430, binding = 1) readonly buffer Source { float source[]; };
layout(std430, binding = 2) writeonly buffer Moments { float moments[]; };

layout(push_constant) uniform Parameters {
    uint image_capacity;
    uint pixels;
    uint channels;
};

void main() {
    uint block = gl_WorkGroupID.x;
    uint channel = gl_WorkGroupID.y * 64u + gl_LocalInvocationID.x;
    uint image = gl_WorkGroupID.z;
    if (image >= min(images.count, image_capacity) || channel >= channels) return;
    uint count = moment_count(block, pixels);
    uint first = (image * pixels + block * MOMENT_PIXELS) * channels + channel;
    float sum = 0.0;
    for (uint i = 0u; i < count; i++) sum += source[first + i * channels];
    float mean = sum * reciprocal(float(count));
    float squares = 0.0;
    for (uint i = 0u; i < count; i++) {
        float difference = source[first + i * channels] - mean;
        squares += difference * difference;
    }
    uint place = moment_place(image, block, pixels, channels) + channel;
    moments[place] = mean;
    moments[place + channels] = squares;
}
