#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup a row: strided lanes, one Philox call a quad of tokens, then a tree.

#include "rows.glsl"
#include "functions.glsl"
#include "sampling.glsl"
#include "gumbel.glsl"
#include "choice.glsl"

#pragma vkdyn variant(lanes256, tile = 1x1x1, LANES = 256)
#pragma vkdyn variant(lanes64, tile = 1x1x1, LANES = 64)
#pragma vkdyn variant(texels256, tile = 1x1x1, LANES = 256, TEXELS = 1)
#pragma vkdyn variant(texels64, tile = 1x1x1, LANES = 64, TEXELS = 1)

layout(local_size_x = LANES) in;

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint width;
};

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
#include "logits.glsl"
layout(std430, binding = 2) readonly buffer Positions { uint positions[]; };
layout(std430, binding = 3) readonly buffer Sampling { SamplingParameters sampling; };
layout(std430, binding = 4) writeonly buffer Result { uint result[]; };

uint noisy_key(float x, uint word) {
    // NaN and negative infinity stay out, below every other key.
    if (choice_key(x) <= NEGATIVE_INFINITY_KEY) return 0u;
    return choice_key(x + gumbel(word));
}

uvec4 choice_quad(uint row, uint quad) {
    vec4 x = logit_quad(row, quad);
    // Most quads of a filtered row have no token left.
    if (max(max(order_key(x.x), order_key(x.y)), max(order_key(x.z), order_key(x.w))) <= NEGATIVE_INFINITY_KEY) {
        return uvec4(0u);
    }
    uvec4 words = random_words(sampling, STREAM_SAMPLE, positions[row] + 1u, quad);
    return uvec4(noisy_key(x.x, words.x), noisy_key(x.y, words.y), noisy_key(x.z, words.z), noisy_key(x.w, words.w));
}

void main() {
    uint row = gl_WorkGroupID.x;
    if (row >= min(rows.count, row_capacity)) return;
    uint index = row_choice(row, width);
    if (gl_LocalInvocationID.x == 0u) result[row] = index;
}
