#version 450
#extension GL_GOOGLE_include_directive : require

// The general variant: any number of channels and group size, one pixel and one quad of columns an invocation.

#include "rows.glsl"
#include "arithmetic.glsl"
#include "activation.glsl"
#include "parameters.glsl"
#include "packed.glsl"

#pragma vkdyn optional(scales, bias, image_bias, residual)
#pragma vkdyn typed(weights)
#pragma vkdyn variant(general, tile = 4x8x1)

layout(local_size_x = 8, local_size_y = 4) in;

layout(std430, binding = 1) readonly buffer Source { float source[]; };

#include "epilogue.glsl"

void main() {
    uint quad_count = (columns + 3u) / 4u;
    uint quad = gl_WorkGroupID.y * 8u + gl_LocalInvocationID.x;
    uint pixel = gl_WorkGroupID.x * 4u + gl_LocalInvocationID.y;
    uint image = gl_WorkGroupID.z;
    if (quad >= quad_count || pixel >= result_height * result_width) return;
    if (image >= min(images.count, image_capacity)) return;
    uint depth = kernel_size * kernel_size * channels;
    uvec2 pixel_tap = first_tap(pixel);
    uint first = first_texel(quad, depth);
    uint width = block_width(quad, quad_count);
    uint chunk = HAS_SCALES ? min(CHUNK, group_size) : CHUNK;
    vec4 total = vec4(0.0);
    vec4 group = vec4(0.0);
    for (uint start = 0u; start < depth; start += chunk) {
        uint end = min(start + chunk, depth);
        vec4 sum = vec4(0.0);
        uint k = start;
        // Within a tap's channels the source lies as the weights do.
        while (k < end) {
            uint tap = k / channels;
            uint stop = min(end, (tap + 1u) * channels);
            uint x = tap_pixel(image, pixel_tap, tap) * channels - tap * channels;
            vec4 added = sum;
            for (; k < stop; k++) added = multiply_add(weight(first, width, k), source[x + k], added);
            sum = is_present(pixel_tap, tap) ? added : sum;
        }
        if (!HAS_SCALES) {
            total += sum;
            continue;
        }
        group += sum;
        if (end % group_size != 0u && end != depth) continue;
        total = multiply_add(texelFetch(scales, int(start / group_size * quad_count + quad)), group, total);
        group = vec4(0.0);
    }
    store_quad(0u, place_of(image, pixel), quad, total);
}
