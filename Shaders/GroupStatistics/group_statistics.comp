#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup of 64 lanes a group of an image.

#include "rows.glsl"
#include "functions.glsl"
#include "reduction.glsl"
#include "moments.glsl"

#pragma vkdyn variant(lanes, tile = 1x1x1)

layout(local_size_x = 64) in;

layout(std430, binding = 0) readonly buffer Images { RowCount images; };
layout(std430, binding = 1) readonly buffer Moments { float moments[]; };
layout(std430, binding = 2) writeonly buffer Statistics { float statistics[]; };

layout(push_constant) uniform Parameters {
    uint image_capacity;
    uint pixels;
    uint channels;
    uint group_count;
    float epsilon;
};

void main() {
    uint group = gl_WorkGroupID.x;
    uint image = gl_WorkGroupID.z;
    if (image >= min(images.count, image_capacity)) return;
    uint group_channels = channels / group_count;
    uint leaf_count = moment_blocks(pixels) * group_channels;
    float scale = reciprocal(float(pixels)) * reciprocal(float(group_channels));
    uint first = moment_place(image, 0u, pixels, channels) + group * group_channels;
    float sum = 0.0;
    for (uint i = gl_LocalInvocationID.x; i < leaf_count; i += 64u) {
        uint block = i / group_channels;
        uint place = first + block * 2u * channels + i % group_channels;
        sum += float(moment_count(block, pixels)) * moments[place];
    }
    float mean = reduce_sum(sum) * scale;
    float squares = 0.0;
    for (uint i = gl_LocalInvocationID.x; i < leaf_count; i += 64u) {
        uint block = i / group_channels;
        uint place = first + block * 2u * channels + i % group_channels;
        float difference = moments[place] - mean;
        squares += moments[place + channels] + float(moment_count(block, pixels)) * (difference * difference);
    }
    float factor = inverse_square_root(reduce_sum(squares) * scale + epsilon);
    if (gl_LocalInvocationID.x == 0u) {
        statistics[(image * group_count + group) * 2u] = mean;
        statistics[(image * group_count + group) * 2u + 1u] = factor;
    }
}
