#version 450
#extension GL_GOOGLE_include_directive : require

// The general variant: any depth, one row and one quad of columns an invocation.

#include "rows.glsl"
#include "arithmetic.glsl"
#include "activation.glsl"

#pragma vkdyn optional(bias, residual)
#pragma vkdyn variant(general)
#pragma vkdyn variant(bits_general, WEIGHT_BITS = 1)

layout(local_size_x = 32) in;

layout(constant_id = 0) const uint ACTIVATION = 0u;
layout(constant_id = 1) const bool HAS_BIAS = false;
layout(constant_id = 2) const bool HAS_RESIDUAL = false;

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(std430, binding = 1) readonly buffer Source { float source[]; };
#include "weights.glsl"
layout(std430, binding = 3) readonly buffer Bias { float bias[]; };
layout(std430, binding = 4) readonly buffer Residual { float residual[]; };
layout(std430, binding = 5) writeonly buffer Result { float result[]; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint depth;
    uint columns;
    uint result_stride;
    uint result_offset;
};

#include "epilogue.glsl"

void main() {
    uint quad_count = (columns + 3u) / 4u;
    uint quad = gl_GlobalInvocationID.x;
    uint row = gl_GlobalInvocationID.y;
    if (quad >= quad_count || row >= min(rows.count, row_capacity)) return;
    vec4 total = vec4(0.0);
    for (uint start = 0u; start < depth; start += CHUNK) {
        uint end = min(start + CHUNK, depth);
        vec4 sum = vec4(0.0);
        for (uint k = start; k < end; k++) {
            sum = multiply_add(weight(k * quad_count + quad), source[row * depth + k], sum);
        }
        total += sum;
    }
    store_quad(row, quad, total);
}
