#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup, whatever the capacity.

#include "rows.glsl"
#include "sequence.glsl"

#pragma vkdyn variant(default, tile = 1x1x1)

layout(local_size_x = 64) in;

layout(std430, binding = 0) buffer Sequence { SequenceState sequence; };
layout(std430, binding = 1) readonly buffer Tokens { uint tokens[]; };
layout(std430, binding = 2) writeonly buffer Rows { RowCount rows; };
layout(std430, binding = 3) writeonly buffer RowTokens { uint row_tokens[]; };
layout(std430, binding = 4) writeonly buffer Positions { uint positions[]; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint model;
    uint hold_back;
    uint skip_when_stopped;
};

shared uint first_token;
shared uint pass_count;

void main() {
    uint lane = gl_LocalInvocationID.x;
    if (lane == 0u) {
        uint from = model == 0u ? sequence.target_cached : sequence.draft_cached;
        uint to = sequence.length_ + sequence.drafted;
        to -= min(hold_back, to);
        bool skips = skip_when_stopped != 0u && sequence.stopped != 0u;
        uint wanted = skips || to < from ? 0u : to - from;
        uint count = min(wanted, row_capacity);
        rows.count = count;
        rows.capacity = row_capacity;
        rows.overflow = wanted > row_capacity && hold_back == 0u ? 1u : 0u;
        if (model == 0u) {
            sequence.target_cached = from + count;
        } else {
            sequence.draft_cached = from + count;
        }
        first_token = from;
        pass_count = count;
    }
    barrier();
    for (uint row = lane; row < pass_count; row += 64u) {
        row_tokens[row] = tokens[first_token + row];
        positions[row] = first_token + row;
    }
}
