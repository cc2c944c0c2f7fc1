// The buffers and push constants, one set for all variants.

#define WITHOUT_RESIDUAL
#define WEIGHTS_BINDING 5
#define SCALES_BINDING 6

layout(constant_id = 0) const uint ACTIVATION = 0u;
layout(constant_id = 1) const bool HAS_BIAS = false;
layout(constant_id = 5) const bool HAS_SOURCE_ROWS = false;
layout(constant_id = 6) const bool HAS_SLOTS = false;

layout(std430, binding = 0) readonly buffer TileCount { RowCount tile_count; };
layout(std430, binding = 1) readonly buffer Tiles { ExpertTile tiles[]; };
layout(std430, binding = 2) readonly buffer SourceRows { uint source_rows[]; };
layout(std430, binding = 3) readonly buffer Slots { uint slots[]; };
layout(std430, binding = 7) readonly buffer Bias { float bias[]; };
layout(std430, binding = 8) writeonly buffer Result { float result[]; };

layout(push_constant) uniform Parameters {
    uint tile_capacity;
    uint tile_rows;
    uint position_count;
    uint row_count;
    uint divisor;
    uint depth;
    uint columns;
    uint result_stride;
    uint result_offset;
    uint group_size;
};

const uint NO_SLOT = 0xFFFFFFFFu;

// The row of the source that a position reads; one beyond the source reads its last.
uint source_row(uint position) {
    return min(HAS_SOURCE_ROWS ? source_rows[position] / divisor : position, row_count - 1u);
}

// The number of an expert's matrix among the weights; NO_SLOT where it is not among them.
uint slot_of(uint expert) { return HAS_SLOTS ? slots[expert] : expert; }

// Where a position's row begins in the result.
uint place_of(uint position) { return result_offset + position * result_stride; }
