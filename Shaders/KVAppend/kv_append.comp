#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup a row, four dimensions of a key and a value an invocation and step.

#include "rows.glsl"

#pragma vkdyn variant(scalars, tile = 1x1x1)

layout(local_size_x = 64) in;

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(std430, binding = 1) readonly buffer Slots { uint slots[]; };
layout(std430, binding = 2) readonly buffer Source { float source[]; };
layout(std430, binding = 3) writeonly buffer KeyCache { vec4 key_cache[]; };
layout(std430, binding = 4) writeonly buffer ValueCache { vec4 value_cache[]; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint kv_head_count;
    uint head_size;
    uint key_offset;
    uint value_offset;
    uint stride;
    uint cache_capacity;
};

#include "append.glsl"

vec4 load(uint element) {
    return vec4(source[element], source[element + 1u], source[element + 2u], source[element + 3u]);
}

void main() { append(gl_WorkGroupID.x); }
