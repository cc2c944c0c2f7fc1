#version 450
#extension GL_GOOGLE_include_directive : require

// One invocation a patch.

#include "rows.glsl"

#pragma vkdyn optional(previous)

layout(local_size_x = 64) in;

layout(constant_id = 0) const bool HAS_PREVIOUS = false;

layout(std430, binding = 0) readonly buffer Images { RowCount images; };
layout(std430, binding = 1) readonly buffer Targets { uint targets[]; };
layout(std430, binding = 2) readonly buffer Previous { uint previous[]; };
layout(std430, binding = 3) writeonly buffer Result { uint result[]; };

layout(push_constant) uniform Parameters {
    uint image_capacity;
    uint token_count;
    uint original_count;
};

void main() {
    uint original = gl_GlobalInvocationID.x;
    uint image = gl_WorkGroupID.y;
    if (image >= min(images.count, image_capacity) || original >= original_count) return;
    uint index = image * original_count + original;
    uint token = HAS_PREVIOUS ? previous[index] : original;
    result[index] = targets[image * token_count + token];
}
