#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup a row, one element an invocation and step; any width, either layout of the table.

#include "rows.glsl"

#pragma vkdyn optional(positions, position_table)
#pragma vkdyn variant(scalars, tile = 1x1x1)
#pragma vkdyn variant(bits_scalars, tile = 1x1x1, TABLE_BITS = 1)

layout(local_size_x = 64) in;

layout(constant_id = 0) const bool PACKED = false;
layout(constant_id = 1) const bool HAS_POSITIONS = false;
layout(constant_id = 2) const bool HAS_POSITION_TABLE = false;

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(std430, binding = 1) readonly buffer Tokens { uint tokens[]; };
#include "table.glsl"
layout(std430, binding = 3) readonly buffer Positions { uint positions[]; };
layout(std430, binding = 5) writeonly buffer Result { float result[]; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint width;
    uint vocabulary_quads;
    uint position_offset;
    uint first_token;
    uint token_count;
};

void main() {
    uint row = gl_WorkGroupID.x;
    if (row >= min(rows.count, row_capacity)) return;
    uint token = tokens[row] - first_token;
    if (token >= token_count) return;
    uint position = position_offset + (HAS_POSITIONS ? positions[row] : row);
    for (uint i = gl_LocalInvocationID.x; i < width; i += 64u) {
        uint element = PACKED ? i * (vocabulary_quads * 4u) + token : token * width + i;
        float value = table_texel(element / 4u)[element % 4u];
        if (HAS_POSITION_TABLE) {
            uint other = position * width + i;
            value = value + position_texel(other / 4u)[other % 4u];
        }
        result[row * width + i] = value;
    }
}
