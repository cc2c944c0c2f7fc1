#version 450

// One invocation a workgroup, the least that a dispatch can be.

#pragma vkdyn optional(result)
#pragma vkdyn variant(single, tile = 1x1x1)

layout(local_size_x = 1) in;

layout(constant_id = 0) const bool HAS_RESULT = false;

layout(std430, binding = 0) buffer Result { uint result[]; };

layout(push_constant) uniform Parameters {
    uint group_count;
    uint active_count;
};

void main() {
    uint group = gl_WorkGroupID.x;
    if (!HAS_RESULT || group >= min(active_count, group_count)) return;
    result[group] += 1u;
}
