#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup a row; the sum goes down the row by segments.

#include "rows.glsl"
#include "functions.glsl"
#include "sampling.glsl"
#include "choice.glsl"
#include "draw.glsl"

#pragma vkdyn variant(lanes256, tile = 1x1x1, LANES = 256)
#pragma vkdyn variant(lanes64, tile = 1x1x1, LANES = 64)
#pragma vkdyn variant(texels256, tile = 1x1x1, LANES = 256, TEXELS = 1)
#pragma vkdyn variant(texels64, tile = 1x1x1, LANES = 64, TEXELS = 1)

layout(local_size_x = LANES) in;

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint width;
    uint stream;
};

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
#include "probabilities.glsl"
layout(std430, binding = 2) readonly buffer Positions { uint positions[]; };
layout(std430, binding = 3) readonly buffer Sampling { SamplingParameters sampling; };
layout(std430, binding = 4) writeonly buffer Result { uint result[]; };

uvec4 choice_quad(uint row, uint quad) {
    vec4 p = probability_quad(row, quad);
    return uvec4(choice_key(p.x), choice_key(p.y), choice_key(p.z), choice_key(p.w));
}

uvec4 draw_quad(uint quad) {
    vec4 p = probability_quad(gl_WorkGroupID.x, quad);
    return uvec4(fixed_weight(p.x), fixed_weight(p.y), fixed_weight(p.z), fixed_weight(p.w));
}

void main() {
    uint row = gl_WorkGroupID.x;
    if (row >= min(rows.count, row_capacity)) return;
    uint fraction = random_words(sampling, stream, positions[row] + 1u, 0u).x >> 8;
    uint index = first_exceeding((width + 3u) / 4u, fraction, true);
    if (index == NO_INDEX) index = row_choice(row, width);
    if (gl_LocalInvocationID.x == 0u) result[row] = index;
}
