#version 450
#extension GL_GOOGLE_include_directive : require

#include "sequence.glsl"

layout(local_size_x = 1) in;

layout(std430, binding = 0) buffer Sequence { SequenceState sequence; };
layout(std430, binding = 1) buffer Tokens { uint tokens[]; };
layout(std430, binding = 2) readonly buffer Sampled { uint sampled[]; };

#include "commit.glsl"

void main() {
    uint accepted = 0u;
    while (accepted < sequence.drafted && tokens[sequence.length_ + accepted] == sampled[accepted]) accepted += 1u;
    commit_round(accepted, sampled[accepted]);
}
