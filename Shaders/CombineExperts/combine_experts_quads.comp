#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup a row, four elements an invocation and step, through texel views; widths divisible by 4.

#include "rows.glsl"
#include "arithmetic.glsl"

#pragma vkdyn optional(experts, shared_rows, residual)
#pragma vkdyn variant(quads8, tile = 1x16777216x1, LANES = 8)
#pragma vkdyn variant(quads64, tile = 1x16777216x1, LANES = 64)

layout(local_size_x = LANES) in;

#include "slots.glsl"
layout(binding = 4) uniform textureBuffer source;
layout(binding = 5) uniform textureBuffer shared_rows;
layout(binding = 6) uniform textureBuffer residual;
layout(std430, binding = 7) writeonly buffer Result { vec4 result[]; };

// Loads of an invocation that wait for nothing.
const uint BLOCK = 4u;

void store_quad(vec4 sum, uint index) {
    if (HAS_SHARED_ROWS) sum += texelFetch(shared_rows, int(index));
    if (HAS_RESIDUAL) sum += texelFetch(residual, int(index));
    result[index] = sum;
}

void main() {
    uint row = gl_WorkGroupID.x;
    if (row >= min(rows.count, row_capacity)) return;
    order_slots(row);
    uint quad_count = width / 4u;
    uint to = row * quad_count;
    uint i = gl_LocalInvocationID.x;
    for (; i + (BLOCK - 1u) * LANES < quad_count; i += BLOCK * LANES) {
        vec4 sums[BLOCK];
        for (uint j = 0u; j < unrolled(BLOCK); j++) sums[j] = vec4(0.0);
        for (uint slot = 0u; slot < k; slot++) {
            uint position = slot_positions[slot];
            if (position >= position_count) continue;
            float weight = slot_weights[slot];
            uint from = position * quad_count + i;
            for (uint j = 0u; j < unrolled(BLOCK); j++) {
                sums[j] = multiply_add(texelFetch(source, int(from + j * LANES)), weight, sums[j]);
            }
        }
        for (uint j = 0u; j < unrolled(BLOCK); j++) store_quad(sums[j], to + i + j * LANES);
    }
    for (; i < quad_count; i += LANES) {
        vec4 sum = vec4(0.0);
        for (uint slot = 0u; slot < k; slot++) {
            uint position = slot_positions[slot];
            if (position >= position_count) continue;
            sum = multiply_add(texelFetch(source, int(position * quad_count + i)), slot_weights[slot], sum);
        }
        store_quad(sum, to + i);
    }
}
