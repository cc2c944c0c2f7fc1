#version 450
#extension GL_GOOGLE_include_directive : require

#include "rows.glsl"
#include "sequence.glsl"
#include "sampling.glsl"

#pragma vkdyn optional(probabilities)

layout(local_size_x = 1) in;

layout(constant_id = 0) const bool HAS_PROBABILITIES = false;

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(std430, binding = 1) buffer Sequence { SequenceState sequence; };
layout(std430, binding = 2) buffer Tokens { uint tokens[]; };
layout(std430, binding = 3) readonly buffer Sampled { uint sampled[]; };
layout(std430, binding = 4) readonly buffer Probabilities { float probabilities[]; };
layout(std430, binding = 5) readonly buffer Sampling { SamplingParameters sampling; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint width;
};

void main() {
    uint count = min(rows.count, row_capacity);
    if (count == 0u || sequence.stopped != 0u) return;
    uint token = sampled[count - 1u];
    tokens[sequence.length_ + sequence.drafted] = token;
    sequence.drafted += 1u;
    if (HAS_PROBABILITIES) {
        if (probabilities[(count - 1u) * width + token] < sampling.confidence) sequence.stopped = 1u;
    }
}
