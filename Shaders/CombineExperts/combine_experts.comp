#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup for 256 elements of a row, one an invocation and step; any width.

#include "rows.glsl"
#include "arithmetic.glsl"

#pragma vkdyn optional(experts, shared_rows, residual)
#pragma vkdyn variant(scalars, tile = 1x64x1)

layout(local_size_x = 64) in;

const uint LANES = 64u;

#include "slots.glsl"
layout(std430, binding = 4) readonly buffer Source { float source[]; };
layout(std430, binding = 5) readonly buffer SharedRows { float shared_rows[]; };
layout(std430, binding = 6) readonly buffer Residual { float residual[]; };
layout(std430, binding = 7) writeonly buffer Result { float result[]; };

void main() {
    uint row = gl_WorkGroupID.x;
    if (row >= min(rows.count, row_capacity)) return;
    order_slots(row);
    uint first = gl_WorkGroupID.y * 256u;
    for (uint i = first + gl_LocalInvocationID.x; i < min(first + 256u, width); i += LANES) {
        float sum = 0.0;
        for (uint slot = 0u; slot < k; slot++) {
            uint position = slot_positions[slot];
            if (position >= position_count) continue;
            sum = multiply_add(source[position * width + i], slot_weights[slot], sum);
        }
        if (HAS_SHARED_ROWS) sum += shared_rows[row * width + i];
        if (HAS_RESIDUAL) sum += residual[row * width + i];
        result[row * width + i] = sum;
    }
}
