#version 450
#extension GL_GOOGLE_include_directive : require

// 32 pixels and 8 quads of channels a workgroup, one quad an invocation, through texel views; channels divisible by 4.

#include "rows.glsl"
#include "activation.glsl"

#pragma vkdyn variant(quads, tile = 32x8x1)

layout(local_size_x = 8) in;

layout(constant_id = 0) const uint ACTIVATION = 0u;

layout(std430, binding = 0) readonly buffer Images { RowCount images; };
layout(binding = 1) uniform textureBuffer source;
layout(std430, binding = 2) readonly buffer Statistics { vec2 statistics[]; };
layout(binding = 3) uniform textureBuffer weight;
layout(binding = 4) uniform textureBuffer bias;
layout(std430, binding = 5) writeonly buffer Result { vec4 result[]; };

layout(push_constant) uniform Parameters {
    uint image_capacity;
    uint pixels;
    uint channels;
    uint group_count;
};

void main() {
    uint quad_count = channels / 4u;
    uint quad = gl_WorkGroupID.y * 8u + gl_LocalInvocationID.x;
    uint image = gl_WorkGroupID.z;
    if (image >= min(images.count, image_capacity) || quad >= quad_count) return;
    // A quad's channels may be of several groups.
    uint group_channels = channels / group_count;
    vec2 s0 = statistics[image * group_count + quad * 4u / group_channels];
    vec2 s1 = statistics[image * group_count + (quad * 4u + 1u) / group_channels];
    vec2 s2 = statistics[image * group_count + (quad * 4u + 2u) / group_channels];
    vec2 s3 = statistics[image * group_count + (quad * 4u + 3u) / group_channels];
    vec4 mean = vec4(s0.x, s1.x, s2.x, s3.x);
    vec4 factor = vec4(s0.y, s1.y, s2.y, s3.y);
    vec4 own_weight = texelFetch(weight, int(quad));
    vec4 own_bias = texelFetch(bias, int(quad));
    uint first = gl_WorkGroupID.x * 32u;
    uint index = (image * pixels + first) * quad_count + quad;
    uint end = (image * pixels + min(first + 32u, pixels)) * quad_count;
    do {
        vec4 y = ((texelFetch(source, int(index)) - mean) * factor) * own_weight + own_bias;
        result[index] = vec4(activate(y.x, ACTIVATION), activate(y.y, ACTIVATION), activate(y.z, ACTIVATION),
                             activate(y.w, ACTIVATION));
        index += quad_count;
    } while (index < end);
}
