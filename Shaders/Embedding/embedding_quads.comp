#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup a row, four elements an invocation and step; unpacked tables of a width divisible by 4, without scales.

#include "rows.glsl"

#pragma vkdyn variant(quads, tile = 1x1x1)

layout(local_size_x = 64) in;

layout(constant_id = 0) const bool PACKED = false;
layout(constant_id = 1) const bool HAS_POSITIONS = false;
layout(constant_id = 2) const bool HAS_POSITION_TABLE = false;
layout(constant_id = 3) const bool HAS_SCALES = false;

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(std430, binding = 1) readonly buffer Tokens { uint tokens[]; };
layout(std430, binding = 4) readonly buffer Positions { uint positions[]; };
layout(std430, binding = 6) writeonly buffer Result { vec4 result[]; };
#include "parameters.glsl"
#include "table.glsl"

void main() {
    uint row = gl_WorkGroupID.x;
    if (row >= min(rows.count, row_capacity)) return;
    uint quad_count = width / 4u;
    uint token = tokens[row] - first_token;
    if (token >= token_count) return;
    uint position = position_offset + (HAS_POSITIONS ? positions[row] : row);
    for (uint i = gl_LocalInvocationID.x; i < quad_count; i += 64u) {
        vec4 value = table_quad(token * quad_count + i);
        if (HAS_POSITION_TABLE) value = value + position_quad(position * quad_count + i);
        result[row * quad_count + i] = value;
    }
}
