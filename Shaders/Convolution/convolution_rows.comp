#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_shuffle : require

// Several pixels and quads of columns in an invocation's registers; channels and groups of whole texels.
//
// The lanes of a workgroup are columns, so that all of them read the same pixels. With SHARED_LOADS, for CPU drivers
// whose subgroups hold a workgroup of 8, a lane loads an eighth of the pixels and hands them round by shuffles, which
// take one instruction where a load takes some 34.
//
// Products of taps outside the grid are made and dropped, by one selection of sums a tap. Loops end with their test:
// where it stands at the start, such drivers run the body once more, masked.

#include "rows.glsl"
#include "arithmetic.glsl"
#include "activation.glsl"
#include "parameters.glsl"
#include "packed.glsl"

#pragma vkdyn optional(scales, bias, image_bias, residual)
#pragma vkdyn typed(weights)
#pragma vkdyn variant(shared8_rows8_quads1, tile = 8x8x1, ROWS = 8, QUADS = 1, LANES = 8, SHARED_LOADS = 8)
#pragma vkdyn variant(shared8_rows8_quads2, tile = 8x16x1, ROWS = 8, QUADS = 2, LANES = 8, SHARED_LOADS = 8)
#pragma vkdyn variant(shared8_rows16_quads2, tile = 16x16x1, ROWS = 16, QUADS = 2, LANES = 8, SHARED_LOADS = 8)
#pragma vkdyn variant(shared8_rows32_quads2, tile = 32x16x1, ROWS = 32, QUADS = 2, LANES = 8, SHARED_LOADS = 8)
#pragma vkdyn variant(lanes8_rows8_quads2, tile = 8x16x1, ROWS = 8, QUADS = 2, LANES = 8, SHARED_LOADS = 1)
#pragma vkdyn variant(lanes8_rows16_quads2, tile = 16x16x1, ROWS = 16, QUADS = 2, LANES = 8, SHARED_LOADS = 1)
#pragma vkdyn variant(lanes32_rows8_quads1, tile = 8x32x1, ROWS = 8, QUADS = 1, LANES = 32, SHARED_LOADS = 1)

layout(local_size_x = LANES) in;

layout(constant_id = 10) const uint ROWS = 1u;
layout(constant_id = 11) const uint QUADS = 1u;

// Pixels of which a lane knows the place.
#define OWN (ROWS / SHARED_LOADS)

layout(binding = 1) uniform textureBuffer source;

#include "epilogue.glsl"

// The quad that is number q of the invocation; one beyond the last repeats it and is never stored. Quads of one
// invocation lie LANES apart, so that neighbours read neighbouring texels.
uint quad_of(uint first_quad, uint q, uint quad_count) { return min(first_quad + q * LANES, quad_count - 1u); }

void main() {
    uint lane = gl_LocalInvocationID.x;
    uint quad_count = (columns + 3u) / 4u;
    uint first_quad = gl_WorkGroupID.y * LANES * QUADS + lane;
    uint pixel_count = result_height * result_width;
    uint first_pixel = gl_WorkGroupID.x * ROWS;
    uint image = gl_WorkGroupID.z;
    if (image >= min(images.count, image_capacity)) return;
    uint depth = kernel_size * kernel_size * channels;
    uint depth_texels = depth / 4u;
    uint channel_texels = channels / 4u;

    // A pixel beyond the last repeats the first: its sums are never stored.
    uvec2 pixel_tap[OWN];
    UNROLL for (uint i = 0u; i < unrolled(OWN); i++) {
        uint pixel = first_pixel + i * SHARED_LOADS + (SHARED_LOADS > 1 ? lane : 0u);
        pixel_tap[i] = first_tap(pixel < pixel_count ? pixel : first_pixel);
    }
    uint at[QUADS];
    uint width[QUADS];
    UNROLL for (uint q = 0u; q < unrolled(QUADS); q++) {
        uint quad = quad_of(first_quad, q, quad_count);
        at[q] = first_texel(quad, depth);
        width[q] = block_width(quad, quad_count);
    }
    vec4 total[ROWS * QUADS];
    vec4 group[ROWS * QUADS];
    UNROLL for (uint i = 0u; i < unrolled(ROWS * QUADS); i++) {
        total[i] = vec4(0.0);
        group[i] = vec4(0.0);
    }
    uint chunk = (HAS_SCALES ? min(CHUNK, group_size) : CHUNK) / 4u;
    for (uint start = 0u; start < depth_texels; start += chunk) {
        uint end = min(start + chunk, depth_texels);
        vec4 sum[ROWS * QUADS];
        UNROLL for (uint i = 0u; i < unrolled(ROWS * QUADS); i++) sum[i] = vec4(0.0);
        // Within a tap's channels the source lies as the weights do.
        uint begin = start;
        do {
            uint tap = begin / channel_texels;
            uint stop = min(end, (tap + 1u) * channel_texels);
            uint x[OWN];
            uint is_here[OWN];
            UNROLL for (uint i = 0u; i < unrolled(OWN); i++) {
                x[i] = (tap_pixel(image, pixel_tap[i], tap) - tap) * channel_texels;
                is_here[i] = is_present(pixel_tap[i], tap) ? 1u : 0u;
            }
            vec4 added[ROWS * QUADS];
            UNROLL for (uint i = 0u; i < unrolled(ROWS * QUADS); i++) added[i] = sum[i];
            uint texel = begin;
            do {
                vec4 own[OWN];
                UNROLL for (uint i = 0u; i < unrolled(OWN); i++) own[i] = texelFetch(source, int(x[i] + texel));
                vec4 value[ROWS];
                UNROLL for (uint r = 0u; r < unrolled(ROWS); r++) {
#if SHARED_LOADS > 1
                    value[r] = subgroupShuffle(own[r / SHARED_LOADS], r % SHARED_LOADS);
#else
                    value[r] = own[r];
#endif
                }
                UNROLL for (uint q = 0u; q < unrolled(QUADS); q++) {
                    vec4 w0;
                    vec4 w1;
                    vec4 w2;
                    vec4 w3;
                    four_weights(at[q], width[q], w0, w1, w2, w3);
                    at[q] += four_step(width[q]);
                    UNROLL for (uint r = 0u; r < unrolled(ROWS); r++) {
                        vec4 s = added[q * ROWS + r];
                        s = multiply_add(w0, value[r].x, s);
                        s = multiply_add(w1, value[r].y, s);
                        s = multiply_add(w2, value[r].z, s);
                        added[q * ROWS + r] = multiply_add(w3, value[r].w, s);
                    }
                }
                texel++;
            } while (texel < stop);
            UNROLL for (uint r = 0u; r < unrolled(ROWS); r++) {
#if SHARED_LOADS > 1
                bool is_added = subgroupShuffle(is_here[r / SHARED_LOADS], r % SHARED_LOADS) != 0u;
#else
                bool is_added = is_here[r] != 0u;
#endif
                UNROLL for (uint q = 0u; q < unrolled(QUADS); q++) {
                    sum[q * ROWS + r] = is_added ? added[q * ROWS + r] : sum[q * ROWS + r];
                }
            }
            begin = stop;
        } while (begin < end);
        if (!HAS_SCALES) {
            UNROLL for (uint i = 0u; i < unrolled(ROWS * QUADS); i++) total[i] += sum[i];
            continue;
        }
        UNROLL for (uint i = 0u; i < unrolled(ROWS * QUADS); i++) {
            group[i] = LARGE_GROUPS ? group[i] + sum[i] : sum[i];
        }
        if (LARGE_GROUPS && end * 4u % group_size != 0u && end != depth_texels) continue;
        UNROLL for (uint q = 0u; q < unrolled(QUADS); q++) {
            uint place = start * 4u / group_size * quad_count + quad_of(first_quad, q, quad_count);
            vec4 scale = texelFetch(scales, int(place));
            UNROLL for (uint r = 0u; r < unrolled(ROWS); r++) {
                uint i = q * ROWS + r;
                total[i] = multiply_add(scale, group[i], total[i]);
                if (LARGE_GROUPS) group[i] = vec4(0.0);
            }
        }
    }
    // Indexed at run time, so that the epilogue stands in the program once; `total` itself stays in registers.
    vec4 staged[ROWS * QUADS];
    UNROLL for (uint i = 0u; i < unrolled(ROWS * QUADS); i++) staged[i] = total[i];
    uint own_rows = min(pixel_count - first_pixel, ROWS);
    for (uint q = 0u; q < QUADS; q++) {
        uint quad = first_quad + q * LANES;
        if (quad >= quad_count) break;
        for (uint r = 0u; r < own_rows; r++) {
            store_quad(0u, place_of(image, first_pixel + r), quad, staged[q * ROWS + r]);
        }
    }
}
