#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup a row, one element an invocation and step; any width, either layout of the table.

#include "rows.glsl"

#pragma vkdyn optional(scales, positions, position_table)
#pragma vkdyn typed(table, position_table)
#pragma vkdyn variant(scalars, tile = 1x1x1)

layout(local_size_x = 64) in;

layout(constant_id = 0) const bool PACKED = false;
layout(constant_id = 1) const bool HAS_POSITIONS = false;
layout(constant_id = 2) const bool HAS_POSITION_TABLE = false;
layout(constant_id = 3) const bool HAS_SCALES = false;

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(std430, binding = 1) readonly buffer Tokens { uint tokens[]; };
layout(std430, binding = 4) readonly buffer Positions { uint positions[]; };
layout(std430, binding = 6) writeonly buffer Result { float result[]; };
#include "parameters.glsl"
#include "table.glsl"

// The word of the table that holds element i of a token.
uint packed_word(uint token, uint i) {
    uint depth = word_depth(TABLE_TYPE);
    uint quad_count = (token_count + 3u) / 4u;
    uint block = token / 32u * 8u;
    uint block_width = min(8u, quad_count - block) * 4u;
    return block * 4u * ((width + depth - 1u) / depth) + i / depth * block_width + token - block * 4u;
}

void main() {
    uint row = gl_WorkGroupID.x;
    if (row >= min(rows.count, row_capacity)) return;
    uint token = tokens[row] - first_token;
    if (token >= token_count) return;
    uint position = position_offset + (HAS_POSITIONS ? positions[row] : row);
    uint depth = word_depth(TABLE_TYPE);
    for (uint i = gl_LocalInvocationID.x; i < width; i += 64u) {
        uint element = token * width + i;
        float value = PACKED ? table_word(packed_word(token, i), i % depth) : table_word(element / depth, element % depth);
        if (HAS_SCALES) {
            uint place = i / group_size * ((token_count + 3u) / 4u) + token / 4u;
            value = value * texelFetch(scales, int(place))[token % 4u];
        }
        if (HAS_POSITION_TABLE) value = value + position_element(position * width + i);
        result[row * width + i] = value;
    }
}
