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
    uint count = min(columns - column, 4u);
    // A loop that no driver unrolls: inlined for every component, a long activation takes drivers seconds to compile.
    for (uint i = 0u; i < count; i++) {
        float value = i < 2u ? (i == 0u ? total.x : total.y) : (i == 2u ? total.z : total.w);
        result[first + i] = finish(row, column + i, value);
    }
}
