#version 450
#extension GL_GOOGLE_include_directive : require

// One block of pixels and 8 quads of channels a workgroup, one quad an invocation, through a texel view; channels
// divisible by 4.

#include "rows.glsl"
#include "functions.glsl"
#include "moments.glsl"

#pragma vkdyn variant(quads, tile = 1x8x1)

layout(local_size_x = 8) in;

layout(std430, binding = 0) readonly buffer Images { RowCount images; };
layout(binding = 1) uniform textureBuffer source;
layout(std430, binding = 2) writeonly buffer Moments { vec4 moments[]; };

layout(push_constant) uniform Parameters {
    uint image_capacity;
    uint pixels;
    uint channels;
};

void main() {
    uint block = gl_WorkGroupID.x;
    uint quad = gl_WorkGroupID.y * 8u + gl_LocalInvocationID.x;
    uint image = gl_WorkGroupID.z;
    uint quad_count = channels / 4u;
    if (image >= min(images.count, image_capacity) || quad >= quad_count) return;
    uint count = moment_count(block, pixels);
    uint first = (image * pixels + block * MOMENT_PIXELS) * quad_count + quad;
    vec4 sum = vec4(0.0);
    uint i = 0u;
    do {
        sum += texelFetch(source, int(first + i * quad_count));
        i++;
    } while (i < count);
    vec4 mean = sum * reciprocal(float(count));
    vec4 squares = vec4(0.0);
    i = 0u;
    do {
        vec4 difference = texelFetch(source, int(first + i * quad_count)) - mean;
        squares += difference * difference;
        i++;
    } while (i < count);
    uint place = moment_place(image, block, pixels, quad_count) + quad;
    moments[place] = mean;
    moments[place + quad_count] = squares;
}
