// Assembles the keys and values of four slots and HEADS heads; `load_source` and `load_cache` read four elements by
// their texel. Four neighbouring invocations have neighbouring slots, whose keys lie side by side; the others go
// through the quads of a head.

#include "key_cache.glsl"

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(std430, binding = 3) writeonly buffer KeyCache { vec4 key_cache[]; };
layout(std430, binding = 4) writeonly buffer ValueCache { vec4 value_cache[]; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint head_count;
    uint nope_size;
    uint value_size;
    uint latent_size;
    uint rotary_size;
    uint cache_capacity;
};

vec4 load_source(uint texel);
vec4 load_cache(uint texel);

void expand(uint first_slot, uint first_head) {
    uint slot = first_slot + gl_LocalInvocationID.x % 4u;
    uint first = gl_LocalInvocationID.x / 4u;
    if (slot >= min(min(rows.count, row_capacity), cache_capacity)) return;
    uint nope_quads = nope_size / 4u;
    uint rotary_quads = rotary_size / 4u;
    uint value_quads = value_size / 4u;
    uint source_row = slot * head_count * (nope_quads + value_quads);
    uint rotary = slot * (latent_size / 4u + rotary_quads) + latent_size / 4u;
    for (uint head = first_head; head < min(first_head + HEADS, head_count); head++) {
        uint key = key_texel(head, slot, nope_quads + rotary_quads, cache_capacity);
        for (uint i = first; i < nope_quads; i += 16u) {
            key_cache[key + i * 64u] = load_source(source_row + head * nope_quads + i);
        }
        for (uint i = first; i < rotary_quads; i += 16u) {
            key_cache[key + (nope_quads + i) * 64u] = load_cache(rotary + i);
        }
        uint value = (head * cache_capacity + slot) * value_quads;
        for (uint i = first; i < value_quads; i += 16u) {
            value_cache[value + i] = load_source(source_row + head_count * nope_quads + head * value_quads + i);
        }
    }
}
