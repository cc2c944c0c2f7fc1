// The push constants and the epilogue's constants, one set for all variants.

#define WEIGHTS_BINDING 2
#define SCALES_BINDING 3

layout(constant_id = 0) const uint ACTIVATION = 0u;
layout(constant_id = 1) const bool HAS_BIAS = false;
layout(constant_id = 2) const bool HAS_RESIDUAL = false;

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(std430, binding = 4) readonly buffer Bias { float bias[]; };
layout(std430, binding = 5) readonly buffer Residual { float residual[]; };
layout(std430, binding = 6) writeonly buffer Result { float result[]; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint depth;
    uint columns;
    uint batch_count;
    uint source_stride;
    uint source_offset;
    uint source_batch_stride;
    uint result_stride;
    uint result_offset;
    uint result_batch_stride;
    uint group_size;
};

// Where a row begins in the result.
uint place_of(uint row, uint batch) { return result_offset + batch * result_batch_stride + row * result_stride; }
