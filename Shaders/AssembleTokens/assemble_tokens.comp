#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup for 256 elements of a token, one an invocation and step; any width.

#include "rows.glsl"

#pragma vkdyn optional(prefix)
#pragma vkdyn variant(scalars, tile = 1x1x64)

layout(local_size_x = 64) in;

layout(constant_id = 0) const bool HAS_PREFIX = false;

layout(std430, binding = 0) readonly buffer Images { RowCount images; };
layout(std430, binding = 1) readonly buffer Patches { float patches[]; };
layout(std430, binding = 2) readonly buffer Positions { float positions[]; };
layout(std430, binding = 3) readonly buffer Prefix { float prefix[]; };
layout(std430, binding = 4) writeonly buffer Result { float result[]; };

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
    uint place = (image * (prefix_count + patch_count) + token) * width;
    bool is_prefix = HAS_PREFIX && token < prefix_count;
    uint patch_number = token - prefix_count;
    uint first = gl_WorkGroupID.z * 256u;
    for (uint i = first + gl_LocalInvocationID.x; i < min(first + 256u, width); i += 64u) {
        if (is_prefix) {
            result[place + i] = prefix[token * width + i];
        } else {
            uint source = (image * patch_count + patch_number) * width + i;
            result[place + i] = patches[source] + positions[patch_number * width + i];
        }
    }
}
