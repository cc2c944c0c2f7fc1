#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require

// For few rows on GPUs: a workgroup has 8 quads of columns, and its slices make the sums of neighbouring chunks at the
// same time; the sums of SLICES chunks meet in shared memory and are added in ascending order, as the contract has it.

#include "rows.glsl"
#include "arithmetic.glsl"
#include "activation.glsl"
#include "parameters.glsl"

#pragma vkdyn variant(split_rows1, tile = 8x1x1, ROWS = 1)
#pragma vkdyn variant(split_rows2, tile = 8x2x1, ROWS = 2)
#pragma vkdyn variant(split_rows4, tile = 8x4x1, ROWS = 4)
#pragma vkdyn variant(split_rows8, tile = 8x8x1, ROWS = 8)

#define LANES 8u
#define SLICES 16u

layout(local_size_x = 8, local_size_y = 16) in;

layout(constant_id = 3) const bool HAS_SCALES = false;
layout(constant_id = 4) const bool LARGE_GROUPS = false;
layout(constant_id = 10) const uint ROWS = 1u;

layout(binding = 1) uniform textureBuffer source;
layout(binding = SCALES_BINDING) uniform textureBuffer scales;

#include "packed.glsl"
#include "epilogue.glsl"

// [slice][row][lane]: the sums of one round of chunks.
shared vec4 sums[SLICES * ROWS * LANES];

void main() {
    uint lane = gl_LocalInvocationID.x;
    uint slice = gl_LocalInvocationID.y;
    uint quad_count = (columns + 3u) / 4u;
    uint quad = gl_WorkGroupID.x * LANES + lane;
    uint own_quad = min(quad, quad_count - 1u);
    uint first_row = gl_WorkGroupID.y * ROWS;
    uint batch = gl_WorkGroupID.z;
    uint row_count = min(rows.count, row_capacity);
    if (first_row >= row_count) return;
    uint x[ROWS];
    UNROLL for (uint r = 0u; r < unrolled(ROWS); r++) {
        uint row = first_row + r < row_count ? first_row + r : first_row;
        x[r] = (source_offset + batch * source_batch_stride + row * source_stride) / 4u;
    }
    uint depth_texels = depth / 4u;
    uint width = block_width(own_quad, quad_count);
    uint first = batch * matrix_texels(depth, quad_count) + first_texel(own_quad, depth);
    uint chunk = (HAS_SCALES ? min(CHUNK, group_size) : CHUNK) / 4u;
    uint chunk_count = (depth_texels + chunk - 1u) / chunk;
    uint group_count = HAS_SCALES ? (depth + group_size - 1u) / group_size : 0u;

    // Slice s finishes row s (and s + SLICES, never needed with eight rows).
    vec4 total = vec4(0.0);
    vec4 group = vec4(0.0);
    for (uint round = 0u; round < chunk_count; round += SLICES) {
        uint start = min((round + slice) * chunk, depth_texels);
        uint end = min(start + chunk, depth_texels);
        vec4 sum[ROWS];
        UNROLL for (uint r = 0u; r < unrolled(ROWS); r++) sum[r] = vec4(0.0);
        uint at = first + start * four_step(width);
        for (uint texel = start; texel < end; texel++) {
            vec4 w0;
            vec4 w1;
            vec4 w2;
            vec4 w3;
            four_weights(at, width, w0, w1, w2, w3);
            at += four_step(width);
            UNROLL for (uint r = 0u; r < unrolled(ROWS); r++) {
                vec4 value = texelFetch(source, int(x[r] + texel));
                vec4 s = multiply_add(w0, value.x, sum[r]);
                s = multiply_add(w1, value.y, s);
                s = multiply_add(w2, value.z, s);
                sum[r] = multiply_add(w3, value.w, s);
            }
        }
        UNROLL for (uint r = 0u; r < unrolled(ROWS); r++) sums[(slice * ROWS + r) * LANES + lane] = sum[r];
        barrier();
        if (slice < ROWS) {
            uint stop = min(SLICES, chunk_count - round);
            for (uint s = 0u; s < stop; s++) {
                vec4 part = sums[(s * ROWS + slice) * LANES + lane];
                if (!HAS_SCALES) {
                    total += part;
                    continue;
                }
                uint chunk_end = min((round + s + 1u) * chunk, depth_texels);
                group = LARGE_GROUPS ? group + part : part;
                if (LARGE_GROUPS && chunk_end * 4u % group_size != 0u && chunk_end != depth_texels) continue;
                uint place = (batch * group_count + (round + s) * chunk * 4u / group_size) * quad_count + own_quad;
                total = multiply_add(texelFetch(scales, int(place)), group, total);
                group = vec4(0.0);
            }
        }
        barrier();
    }
    uint row = first_row + slice;
    if (slice < ROWS && row < row_count && quad < quad_count) store_quad(batch, place_of(row, batch), quad, total);
}
