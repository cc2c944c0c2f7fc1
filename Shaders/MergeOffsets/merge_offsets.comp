#version 450
#extension GL_GOOGLE_include_directive : require

// One invocation a token.

#include "rows.glsl"

layout(local_size_x = 64) in;

layout(std430, binding = 0) readonly buffer Images { RowCount images; };
layout(std430, binding = 1) readonly buffer Targets { uint targets[]; };
layout(std430, binding = 2) readonly buffer Members { uint members[]; };
layout(std430, binding = 3) writeonly buffer Offsets { uint offsets[]; };

layout(push_constant) uniform Parameters {
    uint image_capacity;
    uint token_count;
    uint row_count;
};

void main() {
    uint place = gl_GlobalInvocationID.x;
    uint image = gl_WorkGroupID.y;
    if (image >= min(images.count, image_capacity) || place > token_count) return;
    uint start = image * token_count;
    uint first_offset = image * (row_count + 1u);
    // Rows that begin at this place: one, or none.
    uint row = place == token_count ? row_count : targets[start + members[start + place]];
    bool is_first = place == 0u || place == token_count || targets[start + members[start + place - 1u]] != row;
    if (is_first && row <= row_count) offsets[first_offset + row] = place;
}
