#version 450
#extension GL_GOOGLE_include_directive : require

// One invocation.

#include "rows.glsl"

#pragma vkdyn variant(default, tile = 1x1x1)

layout(local_size_x = 1) in;

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(std430, binding = 1) readonly buffer Positions { uint positions[]; };
layout(std430, binding = 2) writeonly buffer Cached { RowCount cached; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint cache_capacity;
};

void main() {
    uint row_count = min(rows.count, row_capacity);
    // The last position may be the largest number there is, so that nothing is added before it is compared.
    bool overflows = row_count > 0u && positions[row_count - 1u] >= cache_capacity;
    uint count = 0u;
    if (row_count > 0u) count = overflows ? cache_capacity : positions[row_count - 1u] + 1u;
    cached.count = count;
    cached.capacity = cache_capacity;
    cached.overflow = overflows ? 1u : 0u;
}
