#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require

// For many pixels on GPUs: a workgroup has 64 pixels and 32 quads of columns, an invocation eight pixels and one quad.
// Slabs of 16 k's of both operands are staged in shared memory, with whether each pixel has their taps.

#include "rows.glsl"
#include "arithmetic.glsl"
#include "activation.glsl"
#include "parameters.glsl"
#include "packed.glsl"

#pragma vkdyn optional(scales, bias, image_bias, residual)
#pragma vkdyn typed(weights)
#pragma vkdyn variant(shared_rows64, tile = 64x32x1)

#define TILE_ROWS 64u
#define TILE_QUADS 32u
#define SLAB 16u
#define SLAB_TEXELS (SLAB / 4u)

layout(local_size_x = 32, local_size_y = 8) in;

layout(binding = 1) uniform textureBuffer source;

#include "epilogue.glsl"

// [k][pixel]
shared float slab_source[SLAB * TILE_ROWS];
// [texel of four k's][pixel]
shared uint slab_taps[SLAB_TEXELS * TILE_ROWS];
// [k][quad]
shared vec4 slab_weights[SLAB * TILE_QUADS];

void main() {
    uint lane = gl_LocalInvocationID.x;
    uint band = gl_LocalInvocationID.y;
    uint quad_count = (columns + 3u) / 4u;
    uint quad = gl_WorkGroupID.y * TILE_QUADS + lane;
    uint own_quad = min(quad, quad_count - 1u);
    uint pixel_count = result_height * result_width;
    uint first_pixel = gl_WorkGroupID.x * TILE_ROWS;
    uint image = gl_WorkGroupID.z;
    if (image >= min(images.count, image_capacity)) return;
    uint depth = kernel_size * kernel_size * channels;
    uint depth_texels = depth / 4u;
    uint channel_texels = channels / 4u;
    uint width = block_width(own_quad, quad_count);
    uint first = first_texel(own_quad, depth);
    uint chunk = HAS_SCALES ? min(CHUNK, group_size) : CHUNK;

    // What the invocation stages: a texel of one pixel, and two k's of its quad.
    uint index = band * 32u + lane;
    uint staged_texel = index % SLAB_TEXELS;
    uint staged_pixel = index / SLAB_TEXELS;
    uvec2 pixel_tap = first_tap(min(first_pixel + staged_pixel, pixel_count - 1u));

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
            // Those beyond the end are never added.
            uint texel = min(slab / 4u + staged_texel, depth_texels - 1u);
            uint tap = texel / channel_texels;
            vec4 value =
                texelFetch(source, int((tap_pixel(image, pixel_tap, tap) - tap) * channel_texels + texel));
            uint place = staged_texel * 4u * TILE_ROWS + staged_pixel;
            slab_source[place] = value.x;
            slab_source[place + TILE_ROWS] = value.y;
            slab_source[place + 2u * TILE_ROWS] = value.z;
            slab_source[place + 3u * TILE_ROWS] = value.w;
            slab_taps[staged_texel * TILE_ROWS + staged_pixel] = is_present(pixel_tap, tap) ? 1u : 0u;
            for (uint i = 0u; i < 2u; i++) {
                uint k = min(slab + band * 2u + i, depth - 1u);
                slab_weights[(band * 2u + i) * TILE_QUADS + lane] = weight(first, width, k);
            }
            barrier();
            uint count = min(SLAB, end - slab) / 4u;
            for (uint t = 0u; t < count; t++) {
                vec4 w0 = slab_weights[t * 4u * TILE_QUADS + lane];
                vec4 w1 = slab_weights[(t * 4u + 1u) * TILE_QUADS + lane];
                vec4 w2 = slab_weights[(t * 4u + 2u) * TILE_QUADS + lane];
                vec4 w3 = slab_weights[(t * 4u + 3u) * TILE_QUADS + lane];
                UNROLL for (uint r = 0u; r < unrolled(8u); r++) {
                    uint row = band * 8u + r;
                    uint k = t * 4u * TILE_ROWS + row;
                    vec4 s = multiply_add(w0, slab_source[k], sum[r]);
                    s = multiply_add(w1, slab_source[k + TILE_ROWS], s);
                    s = multiply_add(w2, slab_source[k + 2u * TILE_ROWS], s);
                    s = multiply_add(w3, slab_source[k + 3u * TILE_ROWS], s);
                    sum[r] = slab_taps[t * TILE_ROWS + row] != 0u ? s : sum[r];
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
        vec4 scale = texelFetch(scales, int(start / group_size * quad_count + own_quad));
        UNROLL for (uint r = 0u; r < unrolled(8u); r++) {
            total[r] = multiply_add(scale, group[r], total[r]);
            if (LARGE_GROUPS) group[r] = vec4(0.0);
        }
    }
    vec4 staged[8];
    UNROLL for (uint r = 0u; r < unrolled(8u); r++) staged[r] = total[r];
    if (quad >= quad_count) return;
    for (uint r = 0u; r < 8u; r++) {
        uint pixel = first_pixel + band * 8u + r;
        if (pixel < pixel_count) store_quad(0u, place_of(image, pixel), quad, staged[r]);
    }
}
