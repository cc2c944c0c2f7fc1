// The index list of a scatter and its factors; after rows.glsl.

layout(constant_id = 0) const bool ADD = false;
layout(constant_id = 1) const bool HAS_FACTORS = false;

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(std430, binding = 1) readonly buffer Indices { uint indices[]; };
layout(std430, binding = 3) readonly buffer Factors { float factors[]; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint width;
    uint result_rows;
    uint rows_per_group;
    uint group_stride;
};

const uint NO_ROW = 0xFFFFFFFFu;

// The row that is written; NO_ROW for none.
uint result_row(uint row) {
    uint index = indices[row];
    if (index >= result_rows) return NO_ROW;
    uint to = (row / rows_per_group) * group_stride + index;
    return to < result_rows ? to : NO_ROW;
}
