// Writes one row's keys and values; `load` reads four elements of the source.

#include "key_cache.glsl"

layout(constant_id = 0) const bool HAS_SLOTS = false;

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(std430, binding = 1) readonly buffer Slots { uint slots[]; };
#ifdef CACHE_HALVES
layout(std430, binding = 3) writeonly buffer KeyCache { uvec2 key_cache[]; };
layout(std430, binding = 4) writeonly buffer ValueCache { uvec2 value_cache[]; };
uvec2 stored(vec4 quad) { return narrow_halves(quad); }
#else
layout(std430, binding = 3) writeonly buffer KeyCache { uvec4 key_cache[]; };
layout(std430, binding = 4) writeonly buffer ValueCache { uvec4 value_cache[]; };
uvec4 stored(vec4 quad) { return floatBitsToUint(quad); }
#endif

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint sequence_rows;
    uint kv_head_count;
    uint head_size;
    uint value_size;
    uint key_offset;
    uint value_offset;
    uint stride;
    uint cache_capacity;
};

vec4 load(uint element);

void append(uint row) {
    if (row >= min(rows.count, row_capacity)) return;
    uint sequence = sequence_rows == 0u ? 0u : row / sequence_rows;
    uint slot = row - sequence * sequence_rows;
    if (HAS_SLOTS) slot = slots[row];
    if (slot >= cache_capacity) return;
    uint first_head = sequence * kv_head_count;
    uint key_quads = head_size / 4u;
    for (uint i = gl_LocalInvocationID.x; i < kv_head_count * key_quads; i += 64u) {
        uint key = key_texel(first_head + i / key_quads, slot, key_quads, cache_capacity);
        key_cache[key + i % key_quads * 64u] = stored(load(row * stride + key_offset + i * 4u));
    }
    uint value_quads = value_size / 4u;
    for (uint i = gl_LocalInvocationID.x; i < kv_head_count * value_quads; i += 64u) {
        value_cache[((first_head + i / value_quads) * cache_capacity + slot) * value_quads + i % value_quads] =
            stored(load(row * stride + value_offset + i * 4u));
    }
}
