#version 450
#extension GL_GOOGLE_include_directive : require

// The general variant: any depth, stride and group size, one row and one quad of columns an invocation.

#include "rows.glsl"
#include "arithmetic.glsl"
#include "activation.glsl"
#include "parameters.glsl"
#include "packed.glsl"

#pragma vkdyn optional(scales, bias, residual)
#pragma vkdyn typed(weights)
#pragma vkdyn variant(general)

layout(local_size_x = 32) in;

layout(constant_id = 3) const bool HAS_SCALES = false;
layout(constant_id = 4) const bool LARGE_GROUPS = false;

layout(std430, binding = 1) readonly buffer Source { float source[]; };
layout(binding = SCALES_BINDING) uniform textureBuffer scales;

#include "epilogue.glsl"

void main() {
    uint quad_count = (columns + 3u) / 4u;
    uint quad = gl_GlobalInvocationID.x;
    uint row = gl_GlobalInvocationID.y;
    uint batch = gl_WorkGroupID.z;
    if (quad >= quad_count || row >= min(rows.count, row_capacity)) return;
    uint first_x = source_offset + batch * source_batch_stride + row * source_stride;
    uint first = batch * matrix_texels(depth, quad_count) + first_texel(quad, depth);
    uint width = block_width(quad, quad_count);
    uint chunk = HAS_SCALES ? min(CHUNK, group_size) : CHUNK;
    uint group_count = HAS_SCALES ? (depth + group_size - 1u) / group_size : 0u;
    vec4 total = vec4(0.0);
    vec4 group = vec4(0.0);
    for (uint start = 0u; start < depth; start += chunk) {
        uint end = min(start + chunk, depth);
        vec4 sum = vec4(0.0);
        for (uint k = start; k < end; k++) sum = multiply_add(weight(first, width, k), source[first_x + k], sum);
        if (!HAS_SCALES) {
            total += sum;
            continue;
        }
        group += sum;
        if (end % group_size != 0u && end != depth) continue;
        uint place = (batch * group_count + start / group_size) * quad_count + quad;
        total = multiply_add(texelFetch(scales, int(place)), group, total);
        group = vec4(0.0);
    }
    store_quad(batch, place_of(row, batch), quad, total);
}
