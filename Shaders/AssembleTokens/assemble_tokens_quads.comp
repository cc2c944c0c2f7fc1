#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup a token, four elements an invocation and step, through texel views; widths divisible by 4.

#include "rows.glsl"

#pragma vkdyn optional(prefix)
#pragma vkdyn variant(quads, tile = 1x1x16777216)

layout(local_size_x = 64) in;

layout(constant_id = 0) const bool HAS_PREFIX = false;

layout(std430, binding = 0) readonly buffer Images { RowCount images; };
layout(binding = 1) uniform textureBuffer patches;
layout(binding = 2) uniform textureBuffer positions;
layout(binding = 3) uniform textureBuffer prefix;
layout(std430, binding = 4) writeonly buffer Result { vec4 result[]; };

layout(push_constant) uniform Parameters {
    uint image_capacity;
    uint prefix_count;
    uint patch_count;
    uint width;
};

void main() {
    uint token = gl_WorkGroupID.x;
    uint image = gl_WorkGroupID.y;
    if (image >= min(images.count, image_capacity)) return;
    uint quad_count = width / 4u;
    uint place = (image * (prefix_count + patch_count) + token) * quad_count;
    uint patch_number = token - prefix_count;
    bool is_prefix = HAS_PREFIX && token < prefix_count;
    uint source = (image * patch_count + patch_number) * quad_count;
    for (uint i = gl_LocalInvocationID.x; i < quad_count; i += 64u) {
        if (is_prefix) {
            result[place + i] = texelFetch(prefix, int(token * quad_count + i));
        } else {
            result[place + i] = texelFetch(patches, int(source + i))
                + texelFetch(positions, int(patch_number * quad_count + i));
        }
    }
}
