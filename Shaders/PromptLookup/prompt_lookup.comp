#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup: lanes try starts, the lowest wins.

#include "sequence.glsl"

#pragma vkdyn variant(lanes256, tile = 1x1x1, LANES = 256)
#pragma vkdyn variant(lanes64, tile = 1x1x1, LANES = 64)

layout(local_size_x = LANES) in;

layout(std430, binding = 0) buffer Sequence { SequenceState sequence; };
layout(std430, binding = 1) buffer Tokens { uint tokens[]; };

layout(push_constant) uniform Parameters {
    uint max_ngram;
    uint max_drafts;
};

shared uint leftmost;

bool matches(uint start, uint size, uint length) {
    for (uint i = 0u; i < size; i++) {
        if (tokens[start + i] != tokens[length - size + i]) return false;
    }
    return true;
}

void main() {
    uint lane = gl_LocalInvocationID.x;
    uint length = sequence.length_;
    if (lane == 0u) leftmost = length;
    barrier();
    uint size = length == 0u ? 0u : min(max_ngram, length - 1u);
    uint found = length;
    for (; size > 0u; size--) {
        // A start has a continuation when it lies before length - size, where the last n-gram itself begins.
        for (uint start = lane; start < length - size; start += LANES) {
            if (matches(start, size, length)) {
                atomicMin(leftmost, start);
                break;
            }
        }
        barrier();
        found = leftmost;
        if (found < length) break;
        barrier();
    }
    uint drafted = found < length ? min(max_drafts, length - found - size) : 0u;
    for (uint i = lane; i < drafted; i += LANES) tokens[length + i] = tokens[found + size + i];
    if (lane == 0u) sequence.drafted = drafted;
}
