#version 450
#extension GL_GOOGLE_include_directive : require

// The general variant: integer arithmetic that every device has, one row and one quad of columns an invocation.

#include "rows.glsl"
#include "arithmetic.glsl"
#include "activation.glsl"
#include "parameters.glsl"
#include "packed.glsl"

#pragma vkdyn optional(bias, residual)
#pragma vkdyn typed(weights)
#pragma vkdyn variant(general)

layout(local_size_x = 32) in;

layout(constant_id = 4) const bool LARGE_GROUPS = false;

layout(std430, binding = 1) readonly buffer Source { uint source[]; };
layout(binding = SCALES_BINDING) uniform textureBuffer scales;

#include "epilogue.glsl"

ivec4 bytes_of(uint word) { return ivec4(word << 24, word << 16, word << 8, word) >> 24; }

void main() {
    uint quad_count = (columns + 3u) / 4u;
    uint quad = gl_GlobalInvocationID.x;
    uint row = gl_GlobalInvocationID.y;
    if (quad >= quad_count || row >= min(rows.count, row_capacity)) return;
    uint word_count = word_rows(depth);
    uint at = first_texel(quad, depth);
    uint width = block_width(quad, quad_count);
    uint group_words = group_size / 4u;
    vec4 total = vec4(0.0);
    ivec4 group = ivec4(0);
    for (uint word = 0u; word < word_count; word++) {
        ivec4 x = bytes_of(source[row * word_count + word]);
        uvec4 texel = texelFetch(weights, int(at + word * width));
        group += x.x * (ivec4(texel << 24) >> 24) + x.y * (ivec4(texel << 16) >> 24)
            + x.z * (ivec4(texel << 8) >> 24) + x.w * (ivec4(texel) >> 24);
        if ((word + 1u) % group_words != 0u && word + 1u != word_count) continue;
        vec4 scale = texelFetch(scales, int(word / group_words * quad_count + quad));
        total = multiply_add(scale, exact_float(group), total);
        group = ivec4(0);
    }
    store_quad(0u, result_offset + row * result_stride, quad, total * source_scales[row]);
}
