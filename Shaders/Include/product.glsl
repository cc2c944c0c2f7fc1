// ROWS rows times QUADS quads of columns of a packed matrix, in one invocation's registers.
//
// Activations and weights come through texel views, which CPU drivers read fastest; a weight texel serves all rows, an
// activation texel all quads. The shader declares `source`, `depth`, `group_size`, ROWS, QUADS and LANES first.

#include "packed.glsl"

// With EXACT_INTEGERS both operands are int8: a chunk's sum stays below 2²⁴, so that f32 holds it exactly in any order,
// and groups are summed in int32.
#ifdef EXACT_INTEGERS
const bool HAS_SCALES = true;
#define GROUP ivec4
#else
layout(constant_id = 3) const bool HAS_SCALES = false;
#define GROUP vec4
vec4 exact_float(vec4 value) { return value; }
#endif
// Whether groups are longer than a chunk, so that a group's sum outlives a chunk's.
layout(constant_id = 4) const bool LARGE_GROUPS = false;

layout(binding = SCALES_BINDING) uniform textureBuffer scales;

vec4 total[ROWS * QUADS];

// The quad that is number q of the invocation; one beyond the last repeats it and is never stored. Quads of one
// invocation lie LANES apart, so that neighbours read neighbouring texels.
uint quad_of(uint first_quad, uint q, uint quad_count) { return min(first_quad + q * LANES, quad_count - 1u); }

// - x: the texel at which each row begins.
// - matrix: the number of the packed matrix, each with its scales behind the other's.
void accumulate(uint x[ROWS], uint first_quad, uint quad_count, uint matrix) {
    uint depth_texels = depth / 4u;
    uint at[QUADS];
    uint width[QUADS];
    UNROLL for (uint q = 0u; q < unrolled(QUADS); q++) {
        uint quad = quad_of(first_quad, q, quad_count);
        at[q] = matrix * matrix_texels(depth, quad_count) + first_texel(quad, depth);
        width[q] = block_width(quad, quad_count);
    }
    GROUP group[ROWS * QUADS];
    UNROLL for (uint i = 0u; i < unrolled(ROWS * QUADS); i++) {
        total[i] = vec4(0.0);
        group[i] = GROUP(0);
    }
    uint chunk = (HAS_SCALES ? min(CHUNK, group_size) : CHUNK) / 4u;
    uint group_count = HAS_SCALES ? (depth + group_size - 1u) / group_size : 0u;
    for (uint start = 0u; start < depth_texels; start += chunk) {
        uint end = min(start + chunk, depth_texels);
        vec4 sum[ROWS * QUADS];
        UNROLL for (uint i = 0u; i < unrolled(ROWS * QUADS); i++) sum[i] = vec4(0.0);
        for (uint texel = start; texel < end; texel++) {
            vec4 value[ROWS];
            UNROLL for (uint r = 0u; r < unrolled(ROWS); r++) value[r] = vec4(texelFetch(source, int(x[r] + texel)));
            UNROLL for (uint q = 0u; q < unrolled(QUADS); q++) {
                vec4 w0;
                vec4 w1;
                vec4 w2;
                vec4 w3;
                four_weights(at[q], width[q], w0, w1, w2, w3);
                at[q] += four_step(width[q]);
                UNROLL for (uint r = 0u; r < unrolled(ROWS); r++) {
                    vec4 s = sum[q * ROWS + r];
                    s = multiply_add(w0, value[r].x, s);
                    s = multiply_add(w1, value[r].y, s);
                    s = multiply_add(w2, value[r].z, s);
                    s = multiply_add(w3, value[r].w, s);
                    sum[q * ROWS + r] = s;
                }
            }
        }
        if (!HAS_SCALES) {
            UNROLL for (uint i = 0u; i < unrolled(ROWS * QUADS); i++) total[i] += sum[i];
            continue;
        }
        if (LARGE_GROUPS) {
            UNROLL for (uint i = 0u; i < unrolled(ROWS * QUADS); i++) group[i] += GROUP(sum[i]);
            if (end * 4u % group_size != 0u && end != depth_texels) continue;
        } else {
            UNROLL for (uint i = 0u; i < unrolled(ROWS * QUADS); i++) group[i] = GROUP(sum[i]);
        }
        UNROLL for (uint q = 0u; q < unrolled(QUADS); q++) {
            uint first = (matrix * group_count + start * 4u / group_size) * quad_count;
            vec4 scale = texelFetch(scales, int(first + quad_of(first_quad, q, quad_count)));
            UNROLL for (uint r = 0u; r < unrolled(ROWS); r++) {
                uint i = q * ROWS + r;
                total[i] = multiply_add(scale, exact_float(group[i]), total[i]);
                if (LARGE_GROUPS) group[i] = GROUP(0);
            }
        }
    }
}
