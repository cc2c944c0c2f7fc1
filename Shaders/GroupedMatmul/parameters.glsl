// The buffers and push constants, one set for all variants.

#define WITHOUT_RESIDUAL
#define WEIGHTS_BINDING 4
#define SCALES_BINDING 5

layout(constant_id = 0) const uint ACTIVATION = 0u;
layout(constant_id = 1) const bool HAS_BIAS = false;
layout(constant_id = 5) const bool HAS_SOURCE_ROWS = false;

layout(std430, binding = 0) readonly buffer TileCount { RowCount tile_count; };
layout(std430, binding = 1) readonly buffer Tiles { ExpertTile tiles[]; };
layout(std430, binding = 2) readonly buffer SourceRows { uint source_rows[]; };
layout(std430, binding = 6) readonly buffer Bias { float bias[]; };
layout(std430, binding = 7) writeonly buffer Result { float result[]; };

layout(push_constant) uniform Parameters {
    uint tile_capacity;
    uint tile_rows;
    uint position_count;
    uint row_count;
    uint depth;
    uint columns;
    uint group_size;
};

// The row of the source that a position reads; one beyond the source reads its last.
uint source_row(uint position) {
    return min(HAS_SOURCE_ROWS ? source_rows[position] : position, row_count - 1u);
}
