// What the variants share: the parameters, and where a row ends.

#include "attention_block.glsl"

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(std430, binding = 1) readonly buffer Positions { uint positions[]; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint head_count;
    uint latent_size;
    uint rotary_size;
    uint rotary_stride;
    uint rotary_offset;
    uint cache_capacity;
    float scale;
};

// Quads of dimensions that a chunk of a dot product has.
const uint CHUNK_QUADS = CHUNK / 4u;

// The last position that a row attends.
uint last_of(uint row) { return min(positions[row], cache_capacity - 1u); }
