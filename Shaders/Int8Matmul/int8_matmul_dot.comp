#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_spirv_intrinsics : require

// For GPUs with dot products of packed int8: four products and their sum an instruction.

#include "rows.glsl"
#include "arithmetic.glsl"
#include "activation.glsl"
#include "parameters.glsl"
#include "packed.glsl"

#pragma vkdyn variant(dot_rows1, tile = 32x1x1, ROWS = 1)
#pragma vkdyn variant(dot_rows4, tile = 32x4x1, ROWS = 4)
#pragma vkdyn variant(dot_rows8, tile = 32x8x1, ROWS = 8)

layout(local_size_x = 32) in;

layout(constant_id = 4) const bool LARGE_GROUPS = false;
layout(constant_id = 10) const uint ROWS = 1u;

layout(std430, binding = 1) readonly buffer Source { uint source[]; };
layout(binding = SCALES_BINDING) uniform textureBuffer scales;

#include "epilogue.glsl"

// OpSDotKHR, which Debian 12's compiler does not name; format 0 is four packed int8.
spirv_instruction(extensions = ["SPV_KHR_integer_dot_product"], capabilities = [6019, 6018], id = 4450)
int packed_dot(int a, int b, spirv_literal int format);

void main() {
    uint quad_count = (columns + 3u) / 4u;
    uint quad = gl_GlobalInvocationID.x;
    uint first_row = gl_WorkGroupID.y * ROWS;
    uint row_count = min(rows.count, row_capacity);
    if (quad >= quad_count || first_row >= row_count) return;
    uint word_count = word_rows(depth);
    uint at = first_texel(quad, depth);
    uint width = block_width(quad, quad_count);
    uint group_words = group_size / 4u;
    uint x[ROWS];
    vec4 total[ROWS];
    ivec4 group[ROWS];
    UNROLL for (uint r = 0u; r < unrolled(ROWS); r++) {
        x[r] = (first_row + r < row_count ? first_row + r : first_row) * word_count;
        total[r] = vec4(0.0);
        group[r] = ivec4(0);
    }
    for (uint start = 0u; start < word_count; start += group_words) {
        uint end = min(start + group_words, word_count);
        for (uint word = start; word < end; word++) {
            ivec4 w = ivec4(texelFetch(weights, int(at + word * width)));
            UNROLL for (uint r = 0u; r < unrolled(ROWS); r++) {
                int value = int(source[x[r] + word]);
                group[r] += ivec4(packed_dot(w.x, value, 0), packed_dot(w.y, value, 0), packed_dot(w.z, value, 0),
                                  packed_dot(w.w, value, 0));
            }
        }
        vec4 scale = texelFetch(scales, int(start / group_words * quad_count + quad));
        UNROLL for (uint r = 0u; r < unrolled(ROWS); r++) {
            total[r] = multiply_add(scale, exact_float(group[r]), total[r]);
            group[r] = ivec4(0);
        }
    }
    vec4 staged[ROWS];
    UNROLL for (uint r = 0u; r < unrolled(ROWS); r++) staged[r] = total[r];
    for (uint r = 0u; r < ROWS; r++) {
        uint row = first_row + r;
        if (row < row_count) {
            store_quad(0u, result_offset + row * result_stride, quad, staged[r] * source_scales[row]);
        }
    }
}
