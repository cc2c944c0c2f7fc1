// The buffers of a top-k and where a row lies in the source; after rows.glsl and functions.glsl.

layout(constant_id = 0) const bool INDEX_ORDER = false;

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
#ifdef TEXELS
layout(binding = 1) uniform textureBuffer source;
#else
layout(std430, binding = 1) readonly buffer Source { float source[]; };
#endif
layout(std430, binding = 2) coherent buffer Indices { uint indices[]; };
// The elements' bits.
layout(std430, binding = 3) coherent buffer Largest { uint largest[]; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint width;
    uint k;
    uint rows_per_group;
    uint group_stride;
    uint row_stride;
    uint element_stride;
};

const uint NO_INDEX = 0xFFFFFFFFu;

uint row_start(uint row) { return (row / rows_per_group) * group_stride + (row % rows_per_group) * row_stride; }

// Places from the width on hold no index, and NaN.
void store_choice(uint row, uint place, uint index, uint bits) {
    indices[row * k + place] = index;
    largest[row * k + place] = bits;
}
