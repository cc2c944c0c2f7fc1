#version 450
#extension GL_GOOGLE_include_directive : require

// One invocation an expert of a row: it looks the row up in the expert's list.

#include "rows.glsl"

#pragma vkdyn variant(lanes64, tile = 64x1x1, LANES = 64)
#pragma vkdyn variant(lanes8, tile = 8x1x1, LANES = 8)

layout(local_size_x = LANES) in;

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(std430, binding = 1) readonly buffer Indices { uint indices[]; };
layout(std430, binding = 2) writeonly buffer Positions { uint positions[]; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint expert_count;
    uint sequence_rows;
    uint k;
};

const uint NO_POSITION = 0xFFFFFFFFu;

void main() {
    uint entry = gl_GlobalInvocationID.x;
    if (entry / expert_count >= min(rows.count, row_capacity)) return;
    uint row = entry / expert_count;
    uint token = row % sequence_rows;
    uint start = ((row / sequence_rows) * expert_count + entry % expert_count) * k;
    uint first = 0u;
    uint last = k;
    while (first < last) {
        uint middle = (first + last) / 2u;
        if (indices[start + middle] < token) {
            first = middle + 1u;
        } else {
            last = middle;
        }
    }
    bool is_chosen = first < k && indices[start + min(first, k - 1u)] == token;
    positions[entry] = is_chosen ? start + first : NO_POSITION;
}
