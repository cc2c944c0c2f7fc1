// Bias, activation and residual of one quad of columns, and its store. The shader declares bias, residual, result, their
// presence and ACTIVATION first, or WITHOUT_RESIDUAL; `matrix` is the number of the batch or the expert. With IMAGE_BIAS
// there is one more bias, which the shader gives by the column.

float finish(uint matrix, uint place, uint column, float value) {
    if (HAS_BIAS) value += bias[matrix * columns + column];
#ifdef IMAGE_BIAS
    if (HAS_IMAGE_BIAS) value += IMAGE_BIAS(column);
#endif
    value = activate(value, ACTIVATION);
#ifndef WITHOUT_RESIDUAL
    if (HAS_RESIDUAL) value += residual[place];
#endif
    return value;
}

// - place: where the row begins in the result.
void store_quad(uint matrix, uint place, uint quad, vec4 total) {
    uint column = quad * 4u;
    uint count = min(columns - column, 4u);
    // A loop that no driver unrolls: inlined for every component, a long activation takes drivers seconds to compile.
    for (uint i = 0u; i < count; i++) {
        float value = i < 2u ? (i == 0u ? total.x : total.y) : (i == 2u ? total.z : total.w);
        result[place + column + i] = finish(matrix, place + column + i, column + i, value);
    }
}
