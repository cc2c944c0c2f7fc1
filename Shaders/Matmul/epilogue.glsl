// Bias, activation and residual of one quad of columns, and its store.

float finish(uint row, uint column, float value) {
    if (HAS_BIAS) value += bias[column];
    value = activate(value, ACTIVATION);
    if (HAS_RESIDUAL) value += residual[row * result_stride + result_offset + column];
    return value;
}

void store_quad(uint row, uint quad, vec4 total) {
    uint column = quad * 4u;
    uint first = row * result_stride + result_offset + column;
    result[first] = finish(row, column, total.x);
    if (column + 1u < columns) result[first + 1u] = finish(row, column + 1u, total.y);
    if (column + 2u < columns) result[first + 2u] = finish(row, column + 2u, total.z);
    if (column + 3u < columns) result[first + 3u] = finish(row, column + 3u, total.w);
}
