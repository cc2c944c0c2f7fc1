#version 450
#extension GL_GOOGLE_include_directive : require

// The source through a texel view; stride and offsets divisible by 4.

#include "rows.glsl"

#pragma vkdyn variant(quads, tile = 1x1x1)

layout(local_size_x = 64) in;

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(std430, binding = 1) readonly buffer Slots { uint slots[]; };
layout(binding = 2) uniform textureBuffer source;
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

vec4 load(uint element) { return texelFetch(source, int(element / 4u)); }

void main() { append(gl_WorkGroupID.x); }
