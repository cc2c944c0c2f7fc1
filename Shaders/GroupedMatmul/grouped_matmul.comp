#version 450
#extension GL_GOOGLE_include_directive : require

// The general variant: any depth and group size, one quad of columns an invocation, the tile's rows in turn.

#include "rows.glsl"
#include "expert_tile.glsl"
#include "arithmetic.glsl"
#include "activation.glsl"
#include "parameters.glsl"
#include "packed.glsl"

#pragma vkdyn optional(source_rows, slots, scales, bias)
#pragma vkdyn typed(weights)
#pragma vkdyn variant(general, tile = 32x1x1)

layout(local_size_x = 32) in;

layout(constant_id = 3) const bool HAS_SCALES = false;
layout(constant_id = 4) const bool LARGE_GROUPS = false;

layout(std430, binding = 4) readonly buffer Source { float source[]; };
layout(binding = SCALES_BINDING) uniform textureBuffer scales;

#include "epilogue.glsl"

void main() {
    uint quad_count = (columns + 3u) / 4u;
    uint quad = gl_GlobalInvocationID.x;
    if (quad >= quad_count || gl_WorkGroupID.y >= min(tile_count.count, tile_capacity)) return;
    ExpertTile tile = tiles[gl_WorkGroupID.y];
    uint slot = slot_of(tile.expert);
    if (slot == NO_SLOT) return;
    uint first = slot * matrix_texels(depth, quad_count) + first_texel(quad, depth);
    uint width = block_width(quad, quad_count);
    uint chunk = HAS_SCALES ? min(CHUNK, group_size) : CHUNK;
    uint group_count = HAS_SCALES ? (depth + group_size - 1u) / group_size : 0u;
    uint last = min(tile.first + min(tile.count, tile_rows), position_count);
    for (uint position = tile.first; position < last; position++) {
        uint first_x = source_row(position) * depth;
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
            uint place = (slot * group_count + start / group_size) * quad_count + quad;
            total = multiply_add(texelFetch(scales, int(place)), group, total);
            group = vec4(0.0);
        }
        store_quad(tile.expert, place_of(position), quad, total);
    }
}
