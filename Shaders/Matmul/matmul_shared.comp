#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require

// For many rows on GPUs: a workgroup has 64 rows and 32 quads of columns, an invocation eight rows and one quad. Slabs of
// 16 k's of both operands are staged in shared memory, where eight neighbouring rows are two vectors.

#include "rows.glsl"
#include "arithmetic.glsl"
#include "activation.glsl"
#include "parameters.glsl"

#pragma vkdyn variant(shared_rows64, tile = 32x64x1)

#define TILE_ROWS 64u
#define TILE_QUADS 32u
#define SLAB 16u

layout(local_size_x = 32, local_size_y = 8) in;

layout(constant_id = 3) const bool HAS_SCALES = false;
layout(constant_id = 4) const bool LARGE_GROUPS = false;

layout(binding = 1) uniform textureBuffer source;
layout(binding = SCALES_BINDING) uniform textureBuffer scales;

#include "packed.glsl"
#include "epilogue.glsl"

// [k][row]
shared float slab_source[SLAB * TILE_ROWS];
// [k][quad]
shared vec4 slab_weights[SLAB * TILE_QUADS];

void main() {
    uint lane = gl_LocalInvocationID.x;
    uint band = gl_LocalInvocationID.y;
    uint quad_count = (columns + 3u) / 4u;
    uint first_quad = gl_WorkGroupID.x * TILE_QUADS;
    uint quad = first_quad + lane;
    uint own_quad = min(quad, quad_count - 1u);
    uint first_row = gl_WorkGroupID.y * TILE_ROWS;
    uint batch = gl_WorkGroupID.z;
    uint row_count = min(rows.count, row_capacity);
    if (first_row >= row_count) return;
    uint depth_texels = depth / 4u;
    uint width = block_width(own_quad, quad_count);
    uint first = batch * matrix_texels(depth, quad_count) + first_texel(own_quad, depth);
    uint chunk = HAS_SCALES ? min(CHUNK, group_size) : CHUNK;
    uint group_count = HAS_SCALES ? (depth + group_size - 1u) / group_size : 0u;

    vec4 total[8];
    vec4 group[8];
    UNROLL for (uint r = 0u; r < unrolled(8u); r++) {
        total[r] = vec4(0.0);
        group[r] = vec4(0.0);
    }
    for (uint start = 0u; start < depth; start += chunk) {
        uint end = min(start + chunk, depth);
        vec4 sum[8];
        UNROLL for (uint r = 0u; r < unrolled(8u); r++) sum[r] = vec4(0.0);
        for (uint slab = start; slab < end; slab += SLAB) {
            // 64 rows of four texels, one an invocation; those beyond the end are never added.
            uint index = band * 32u + lane;
            uint row = min(first_row + index / 4u, row_count - 1u);
            uint texel = min(slab / 4u + index % 4u, depth_texels - 1u);
            uint base = (source_offset + batch * source_batch_stride + row * source_stride) / 4u;
            vec4 value = texelFetch(source, int(base + texel));
            uint place = index % 4u * 4u * TILE_ROWS + index / 4u;
            slab_source[place] = value.x;
            slab_source[place + TILE_ROWS] = value.y;
            slab_source[place + 2u * TILE_ROWS] = value.z;
            slab_source[place + 3u * TILE_ROWS] = value.w;
            // Two k's of 32 quads by each band.
            for (uint i = 0u; i < 2u; i++) {
                uint k = min(slab + band * 2u + i, depth - 1u);
                slab_weights[(band * 2u + i) * TILE_QUADS + lane] = weight(first, width, k);
            }
            barrier();
            uint count = min(SLAB, end - slab);
            for (uint k = 0u; k < count; k++) {
                vec4 w = slab_weights[k * TILE_QUADS + lane];
                UNROLL for (uint r = 0u; r < unrolled(8u); r++) {
                    sum[r] = multiply_add(w, slab_source[k * TILE_ROWS + band * 8u + r], sum[r]);
                }
            }
            barrier();
        }
        if (!HAS_SCALES) {
            UNROLL for (uint r = 0u; r < unrolled(8u); r++) total[r] += sum[r];
            continue;
        }
        UNROLL for (uint r = 0u; r < unrolled(8u); r++) group[r] = LARGE_GROUPS ? group[r] + sum[r] : sum[r];
        if (LARGE_GROUPS && end % group_size != 0u && end != depth) continue;
        vec4 scale = texelFetch(scales, int((batch * group_count + start / group_size) * quad_count + own_quad));
        UNROLL for (uint r = 0u; r < unrolled(8u); r++) {
            total[r] = multiply_add(scale, group[r], total[r]);
            if (LARGE_GROUPS) group[r] = vec4(0.0);
        }
    }
    vec4 staged[8];
    UNROLL for (uint r = 0u; r < unrolled(8u); r++) staged[r] = total[r];
    if (quad >= quad_count) return;
    for (uint r = 0u; r < 8u; r++) {
        uint row = first_row + band * 8u + r;
        if (row < row_count) store_quad(batch, place_of(row, batch), quad, staged[r]);
    }
}
