#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup: rows' experts one an invocation and step, then the experts.

#include "rows.glsl"

#pragma vkdyn variant(lanes8, tile = 1x1x1, LANES = 8)
#pragma vkdyn variant(lanes64, tile = 1x1x1, LANES = 64)

layout(local_size_x = LANES) in;

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(std430, binding = 1) readonly buffer Positions { uint positions[]; };
layout(std430, binding = 2) readonly buffer Experts { uint experts[]; };
layout(std430, binding = 3) readonly buffer Offsets { uint offsets[]; };
layout(std430, binding = 4) writeonly buffer Log { uint log[]; };
layout(std430, binding = 5) buffer Tally { uint tally[]; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint k;
    uint expert_count;
    uint layer;
    uint layer_count;
    uint log_capacity;
};

#include "scan.glsl"

void main() {
    uint lane = gl_LocalInvocationID.x;
    uint row_count = min(rows.count, row_capacity);
    if (row_count == 0u) return;
    for (uint i = lane; i < row_count * k; i += LANES) {
        uint position = positions[i / k];
        if (position < log_capacity) log[(position * layer_count + layer) * k + i % k] = experts[i];
    }
    uint own = 0u;
    for (uint expert = lane; expert < expert_count; expert += LANES) {
        if (offsets[expert + 1u] > offsets[expert]) own += 1u;
    }
    uint touched;
    exclusive_scan(own, touched);
    if (lane != 0u) return;
    tally[layer * 4u] += 1u;
    tally[layer * 4u + 1u] += row_count;
    tally[layer * 4u + 2u] += offsets[expert_count];
    tally[layer * 4u + 3u] += touched;
}
