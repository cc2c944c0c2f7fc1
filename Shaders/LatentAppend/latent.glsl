// Stores one row of a latent cache; `load_latent` and `load_rotary` read four elements of their buffers.

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(std430, binding = 1) readonly buffer Slots { uint slots[]; };
layout(std430, binding = 4) writeonly buffer Cache { vec4 cache[]; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint latent_size;
    uint rotary_size;
    uint rotary_stride;
    uint rotary_offset;
    uint cache_capacity;
};

vec4 load_latent(uint element);
vec4 load_rotary(uint element);

void append(uint row) {
    if (row >= min(rows.count, row_capacity)) return;
    uint slot = slots[row];
    if (slot >= cache_capacity) return;
    uint latent_quads = latent_size / 4u;
    uint rotary_quads = rotary_size / 4u;
    uint first = slot * (latent_quads + rotary_quads);
    for (uint i = gl_LocalInvocationID.x; i < latent_quads; i += 64u) {
        cache[first + i] = load_latent(row * latent_size + i * 4u);
    }
    for (uint i = gl_LocalInvocationID.x; i < rotary_quads; i += 64u) {
        cache[first + latent_quads + i] = load_rotary(row * rotary_stride + rotary_offset + i * 4u);
    }
}
