// The matrix operations of matrix.glsl over the staged words, which it declares, in plain integer code.

void matrix_zero(out SumMatrix sum) {
    for (uint e = 0u; e < SIZE * SIZE / LANES; e++) sum.elements[e] = 0;
}

void matrix_load_source(out uint matrix, uint at) { matrix = at; }

void matrix_load_weights(out uint matrix, uint at) { matrix = at; }

int byte_of(uint word, uint part) { return int(word << (24u - 8u * part)) >> 24; }

void matrix_multiply_add(uint source, uint weights, inout SumMatrix sum) {
    for (uint e = 0u; e < SIZE * SIZE / LANES; e++) {
        uint element = e * LANES + gl_LocalInvocationID.x;
        uint row = source + element / SIZE * STAGE_STRIDE;
        uint column = weights + element % SIZE * STAGE_STRIDE;
        for (uint word = 0u; word < DEPTH / 4u; word++) {
            uint x = staged_source[row + word / VECTOR][word % VECTOR];
            uint w = staged_weights[column + word / VECTOR][word % VECTOR];
            for (uint part = 0u; part < 4u; part++) sum.elements[e] += byte_of(x, part) * byte_of(w, part);
        }
    }
}

void matrix_store(SumMatrix sum, uint at) {
    for (uint e = 0u; e < SIZE * SIZE / LANES; e++) {
        uint element = e * LANES + gl_LocalInvocationID.x;
        uint column = element % SIZE;
        staged_sums[at + element / SIZE * SUM_STRIDE + column / 4u][column % 4u] = sum.elements[e];
    }
}
