#version 450
#extension GL_GOOGLE_include_directive : require

// Several rows and quads of columns an invocation; activations and weights through texel views. A row of one needs no
// more than one quad; with many rows each weight texel is used by all of them.

#include "rows.glsl"
#include "arithmetic.glsl"
#include "activation.glsl"

#pragma vkdyn variant(rows1, tile = 32x1x1, ROWS = 1, QUADS = 1)
#pragma vkdyn variant(rows2, tile = 32x2x1, ROWS = 2, QUADS = 1)
#pragma vkdyn variant(rows3, tile = 32x3x1, ROWS = 3, QUADS = 1)
#pragma vkdyn variant(rows4, tile = 32x4x1, ROWS = 4, QUADS = 1)
#pragma vkdyn variant(rows5, tile = 32x5x1, ROWS = 5, QUADS = 1)
#pragma vkdyn variant(rows6, tile = 32x6x1, ROWS = 6, QUADS = 1)
#pragma vkdyn variant(rows7, tile = 32x7x1, ROWS = 7, QUADS = 1)
#pragma vkdyn variant(rows8, tile = 32x8x1, ROWS = 8, QUADS = 1)
#pragma vkdyn variant(bits_rows1, tile = 32x1x1, ROWS = 1, QUADS = 1, WEIGHT_BITS = 1)
#pragma vkdyn variant(bits_rows2, tile = 32x2x1, ROWS = 2, QUADS = 1, WEIGHT_BITS = 1)
#pragma vkdyn variant(bits_rows3, tile = 32x3x1, ROWS = 3, QUADS = 1, WEIGHT_BITS = 1)
#pragma vkdyn variant(bits_rows4, tile = 32x4x1, ROWS = 4, QUADS = 1, WEIGHT_BITS = 1)
#pragma vkdyn variant(bits_rows5, tile = 32x5x1, ROWS = 5, QUADS = 1, WEIGHT_BITS = 1)
#pragma vkdyn variant(bits_rows6, tile = 32x6x1, ROWS = 6, QUADS = 1, WEIGHT_BITS = 1)
#pragma vkdyn variant(bits_rows7, tile = 32x7x1, ROWS = 7, QUADS = 1, WEIGHT_BITS = 1)
#pragma vkdyn variant(bits_rows8, tile = 32x8x1, ROWS = 8, QUADS = 1, WEIGHT_BITS = 1)

layout(local_size_x = 32) in;

layout(constant_id = 0) const uint ACTIVATION = 0u;
layout(constant_id = 1) const bool HAS_BIAS = false;
layout(constant_id = 2) const bool HAS_RESIDUAL = false;
layout(constant_id = 10) const uint ROWS = 1u;
layout(constant_id = 11) const uint QUADS = 1u;

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(binding = 1) uniform textureBuffer source;
#include "weights.glsl"
layout(std430, binding = 3) readonly buffer Bias { float bias[]; };
layout(std430, binding = 4) readonly buffer Residual { float residual[]; };
layout(std430, binding = 5) writeonly buffer Result { float result[]; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint depth;
    uint columns;
    uint result_stride;
    uint result_offset;
};

#include "epilogue.glsl"

void main() {
    uint quad_count = (columns + 3u) / 4u;
    // Quads of one invocation lie a workgroup apart, so that neighbours read neighbouring texels.
    uint first_quad = gl_WorkGroupID.x * 32u * QUADS + gl_LocalInvocationID.x;
    uint first_row = gl_WorkGroupID.y * ROWS;
    uint row_count = min(rows.count, row_capacity);
    if (first_quad >= quad_count || first_row >= row_count) return;
    uint depth_texels = depth / 4u;
    vec4 total[ROWS * QUADS];
    for (uint i = 0u; i < unrolled(ROWS * QUADS); i++) total[i] = vec4(0.0);
    for (uint start = 0u; start < depth_texels; start += CHUNK / 4u) {
        uint end = min(start + CHUNK / 4u, depth_texels);
        vec4 sum[ROWS * QUADS];
        for (uint i = 0u; i < unrolled(ROWS * QUADS); i++) sum[i] = vec4(0.0);
        for (uint texel = start; texel < end; texel++) {
            vec4 x[ROWS];
            // A row beyond the count repeats the first: its sums are never stored.
            for (uint r = 0u; r < unrolled(ROWS); r++) {
                uint row = first_row + r < row_count ? first_row + r : first_row;
                x[r] = texelFetch(source, int(row * depth_texels + texel));
            }
            for (uint q = 0u; q < unrolled(QUADS); q++) {
                uint quad = min(first_quad + q * 32u, quad_count - 1u);
                uint base = texel * 4u * quad_count + quad;
                vec4 w0 = weight(base);
                vec4 w1 = weight(base + quad_count);
                vec4 w2 = weight(base + 2u * quad_count);
                vec4 w3 = weight(base + 3u * quad_count);
                for (uint r = 0u; r < unrolled(ROWS); r++) {
                    vec4 s = sum[q * ROWS + r];
                    s = multiply_add(w0, x[r].x, s);
                    s = multiply_add(w1, x[r].y, s);
                    s = multiply_add(w2, x[r].z, s);
                    s = multiply_add(w3, x[r].w, s);
                    sum[q * ROWS + r] = s;
                }
            }
        }
        for (uint i = 0u; i < unrolled(ROWS * QUADS); i++) total[i] += sum[i];
    }
    // Indexed at run time, so that the epilogue stands in the program once; `total` itself stays in registers.
    vec4 staged[ROWS * QUADS];
    for (uint i = 0u; i < unrolled(ROWS * QUADS); i++) staged[i] = total[i];
    uint own_rows = min(row_count - first_row, ROWS);
    for (uint q = 0u; q < unrolled(QUADS); q++) {
        uint quad = first_quad + q * 32u;
        if (quad >= quad_count) break;
        for (uint r = 0u; r < own_rows; r++) store_quad(first_row + r, quad, staged[q * ROWS + r]);
    }
}
