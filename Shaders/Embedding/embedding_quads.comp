#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup a row, four elements an invocation and step; unpacked tables of a width divisible by 4.

#include "rows.glsl"

#pragma vkdyn variant(quads, tile = 1x1x1)
#pragma vkdyn variant(bits_quads, tile = 1x1x1, TABLE_BITS = 1)

layout(local_size_x = 64) in;

layout(constant_id = 0) const bool PACKED = false;
layout(constant_id = 1) const bool HAS_POSITIONS = false;
layout(constant_id = 2) const bool HAS_POSITION_TABLE = false;

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(std430, binding = 1) readonly buffer Tokens { uint tokens[]; };
#include "table.glsl"
layout(std430, binding = 3) readonly buffer Positions { uint positions[]; };
layout(std430, binding = 5) writeonly buffer Result { vec4 result[]; };

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
    uint quad_count = width / 4u;
    uint token = tokens[row] - first_token;
    if (token >= token_count) return;
    uint position = position_offset + (HAS_POSITIONS ? positions[row] : row);
    for (uint i = gl_LocalInvocationID.x; i < quad_count; i += 64u) {
        vec4 value = table_texel(token * quad_count + i);
        if (HAS_POSITION_TABLE) value = value + position_texel(position * quad_count + i);
        result[row * quad_count + i] = value;
    }
}
