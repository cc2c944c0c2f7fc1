// The index list of a gather; after rows.glsl.

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(std430, binding = 1) readonly buffer Indices { uint indices[]; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint width;
    uint source_rows;
    uint divisor;
    uint rows_per_group;
    uint group_stride;
};

const uint NO_ROW = 0xFFFFFFFFu;

// The row that is copied; NO_ROW for none.
uint source_row(uint row) {
    uint index = indices[row] / divisor;
    if (index >= source_rows) return NO_ROW;
    uint from = (row / rows_per_group) * group_stride + index;
    return from < source_rows ? from : NO_ROW;
}
