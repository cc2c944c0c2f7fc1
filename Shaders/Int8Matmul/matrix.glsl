// The body of the matrix variants: 32 rows and one block of 32 columns a workgroup, which is one subgroup where matrices
// are a subgroup's.
//
// A shader includes rows.glsl, arithmetic.glsl, activation.glsl, parameters.glsl and packed.glsl, then this file, and
// defines first:
// - SIZE and DEPTH of one product, [SIZE, DEPTH] · [DEPTH, SIZE]: SIZE is 8, 16 or 32, DEPTH 8, 16, 32 or 64;
// - LANES, a workgroup's invocations, a multiple of 8;
// - SourceMatrix, WeightMatrix and SumMatrix, the types of its two operands of int8 and of its result of int32;
// - matrix_zero(sum), matrix_load_source(matrix, at), matrix_load_weights(matrix, at), matrix_multiply_add(source,
//   weights, sum) and matrix_store(sum, at), which the whole workgroup runs together.

#define TILE_ROWS 32u
#define TILE_QUADS 8u
// Matrices of a tile along each axis.
#define MATRICES (32u / SIZE)
// What is staged at a time: words of four k's.
#define STAGE_WORDS 16u
// Words are staged in vectors, so that each row or column of a matrix begins at a multiple of 16 bytes, or of its own
// length where that is less, as a load of a matrix asks.
#if DEPTH < 16
#define Words uvec2
#define VECTOR 2u
#else
#define Words uvec4
#define VECTOR 4u
#endif
// Vectors from one staged row or column to the next: one more than it holds, so that neighbours lie in other banks.
#define STAGE_STRIDE (STAGE_WORDS / VECTOR + 1u)
#define SUM_STRIDE (TILE_QUADS + 1u)
// Quads of results of an invocation.
#define QUADS (TILE_ROWS * TILE_QUADS / LANES)

layout(local_size_x = LANES) in;

layout(constant_id = 4) const bool LARGE_GROUPS = false;

layout(std430, binding = 1) readonly buffer Source { uint source[]; };
layout(binding = SCALES_BINDING) uniform textureBuffer scales;

#include "epilogue.glsl"

// [row, vector of words] and [column, vector of words]: a word of the packed weights is four k's of one column.
shared Words staged_source[TILE_ROWS * STAGE_STRIDE];
shared Words staged_weights[TILE_QUADS * 4u * STAGE_STRIDE];
// [row, quad of columns]
shared ivec4 staged_sums[TILE_ROWS * SUM_STRIDE];

#ifdef MATRIX_EMULATION
#include "matrix_emulation.glsl"
#endif

// Words first…<first + count of the tile's rows and columns, and zeros up to the stage's end: zeros add nothing to an
// integer sum, so that rows, columns and k's that do not exist need no other care.
void stage(uint first, uint count, uint first_row, uint row_count, uint first_quad, uint quad_count) {
    uint word_count = word_rows(depth);
    uint lane = gl_LocalInvocationID.x;
    for (uint i = lane; i < TILE_ROWS * STAGE_WORDS; i += LANES) {
        uint row = i / STAGE_WORDS;
        uint word = i % STAGE_WORDS;
        bool is_there = word < count && first_row + row < row_count;
        uint value = 0u;
        if (is_there) value = source[(first_row + row) * word_count + first + word];
        staged_source[row * STAGE_STRIDE + word / VECTOR][word % VECTOR] = value;
    }
    uint block = first_texel(first_quad, depth);
    uint width = block_width(first_quad, quad_count);
    for (uint i = lane; i < TILE_QUADS * STAGE_WORDS; i += LANES) {
        uint quad = i % TILE_QUADS;
        uint word = i / TILE_QUADS;
        uvec4 texel = uvec4(0u);
        if (word < count && quad < width) texel = texelFetch(weights, int(block + (first + word) * width + quad));
        for (uint c = 0u; c < 4u; c++) {
            staged_weights[(quad * 4u + c) * STAGE_STRIDE + word / VECTOR][word % VECTOR] = texel[c];
        }
    }
}

void main() {
    uint quad_count = (columns + 3u) / 4u;
    uint first_quad = gl_WorkGroupID.x * TILE_QUADS;
    uint first_row = gl_WorkGroupID.y * TILE_ROWS;
    uint row_count = min(rows.count, row_capacity);
    if (first_quad >= quad_count || first_row >= row_count) return;
    uint lane = gl_LocalInvocationID.x;
    uint word_count = word_rows(depth);
    uint group_words = group_size / 4u;
    // Quad number q of an invocation is number q · LANES + lane of the tile, row by row: always in the same column.
    uint quad = first_quad + lane % TILE_QUADS;
    vec4 total[QUADS];
    UNROLL for (uint q = 0u; q < unrolled(QUADS); q++) total[q] = vec4(0.0);
    for (uint start = 0u; start < word_count; start += group_words) {
        uint end = min(start + group_words, word_count);
        SumMatrix sum[MATRICES * MATRICES];
        [[unroll]] for (uint i = 0u; i < MATRICES * MATRICES; i++) matrix_zero(sum[i]);
        for (uint first = start; first < end; first += STAGE_WORDS) {
            uint count = min(end - first, STAGE_WORDS);
            stage(first, count, first_row, row_count, first_quad, quad_count);
            barrier();
            for (uint word = 0u; word < count; word += DEPTH / 4u) {
                SourceMatrix x[MATRICES];
                [[unroll]] for (uint r = 0u; r < MATRICES; r++) {
                    matrix_load_source(x[r], r * SIZE * STAGE_STRIDE + word / VECTOR);
                }
                [[unroll]] for (uint c = 0u; c < MATRICES; c++) {
                    WeightMatrix w;
                    matrix_load_weights(w, c * SIZE * STAGE_STRIDE + word / VECTOR);
                    [[unroll]] for (uint r = 0u; r < MATRICES; r++) {
                        matrix_multiply_add(x[r], w, sum[c * MATRICES + r]);
                    }
                }
            }
            // All have read what the next stage overwrites.
            barrier();
        }
        [[unroll]] for (uint i = 0u; i < MATRICES * MATRICES; i++) {
            matrix_store(sum[i], i % MATRICES * SIZE * SUM_STRIDE + i / MATRICES * (SIZE / 4u));
        }
        // The next group's sums are stored behind the barriers of its stages.
        barrier();
        vec4 scale = vec4(0.0);
        if (quad < quad_count) scale = texelFetch(scales, int(start / group_words * quad_count + quad));
        UNROLL for (uint q = 0u; q < unrolled(QUADS); q++) {
            uint row = (q * LANES + lane) / TILE_QUADS;
            total[q] = multiply_add(scale, exact_float(staged_sums[row * SUM_STRIDE + lane % TILE_QUADS]), total[q]);
        }
    }
    if (quad >= quad_count) return;
    vec4 staged[QUADS];
    UNROLL for (uint q = 0u; q < unrolled(QUADS); q++) staged[q] = total[q];
    for (uint q = 0u; q < QUADS; q++) {
        uint row = first_row + (q * LANES + lane) / TILE_QUADS;
        if (row < row_count) {
            store_quad(0u, result_offset + row * result_stride, quad, staged[q] * source_scales[row]);
        }
    }
}
