#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup of 64 lanes a row. Keys lie in shared memory, where each expert counts those that come before it.

#include "rows.glsl"
#include "functions.glsl"
#include "reduction.glsl"

#pragma vkdyn optional(bias)
#pragma vkdyn variant(lanes64, tile = 1x1x1)

layout(local_size_x = 64) in;

#include "scores.glsl"

const uint LANES = 64u;
const uint MOST_EXPERTS = 2048u;
const uint MOST_GROUPS = 256u;
const uint MOST_CHOSEN = 256u;

// 0 for an expert that cannot be chosen.
shared uint expert_keys[MOST_EXPERTS];
shared uint group_keys[MOST_GROUPS];
shared uint chosen[MOST_CHOSEN];
shared float chosen_scores[MOST_CHOSEN];

void scale_softmax(uint start) {
    uint key = 0u;
    for (uint i = gl_LocalInvocationID.x; i < expert_count; i += LANES) key = max(key, order_key(logits[start + i]));
    maximum = from_order_key(reduce_maximum(key));
    float sum = 0.0;
    for (uint i = gl_LocalInvocationID.x; i < expert_count; i += LANES) sum += exponential(logits[start + i] - maximum);
    factor = reciprocal(reduce_sum(sum));
}

// Experts of groups that are not kept can no longer be chosen.
void keep_groups() {
    uint lane = gl_LocalInvocationID.x;
    uint size = expert_count / group_count;
    for (uint group = lane; group < group_count; group += LANES) {
        uint largest = 0u;
        uint second = 0u;
        for (uint i = group * size; i < (group + 1u) * size; i++) {
            uint key = expert_keys[i];
            second = max(second, min(key, largest));
            largest = max(largest, key);
        }
        group_keys[group] = group_key(largest, second);
    }
    barrier();
    for (uint i = lane; i < expert_count; i += LANES) {
        uint group = i / size;
        uint key = group_keys[group];
        uint before = 0u;
        for (uint other = 0u; other < group_count; other++) {
            before += group_keys[other] > key || (group_keys[other] == key && other < group) ? 1u : 0u;
        }
        if (before >= kept_groups) expert_keys[i] = 0u;
    }
    barrier();
}

// 1 when an expert's key comes before another's, else 0.
uint comes_before(uint expert, uint other_key, uint other) {
    uint key = expert_keys[expert];
    return key > other_key || (key == other_key && expert < other) ? 1u : 0u;
}

void main() {
    uint row = gl_WorkGroupID.x;
    if (row >= min(rows.count, row_capacity)) return;
    uint lane = gl_LocalInvocationID.x;
    uint start = row * expert_count;
    if (SCORE == SCORE_SOFTMAX) scale_softmax(start);
    for (uint i = lane; i < expert_count; i += LANES) {
        expert_keys[i] = candidate_key(expert_score(logits[start + i]), i);
    }
    // Whole quads are compared; none of these is a candidate.
    for (uint i = expert_count + lane; i < (expert_count + 3u) / 4u * 4u; i += LANES) expert_keys[i] = 0u;
    barrier();
    if (group_count > 1u) keep_groups();
    for (uint i = lane; i < expert_count; i += LANES) {
        uint key = expert_keys[i];
        if (key == 0u) continue;
        uint before = 0u;
        // Four a round: lavapipe ends an invocation's loops after 65,535 rounds altogether.
        for (uint j = 0u; j < expert_count; j += 4u) {
            before += comes_before(j, key, i) + comes_before(j + 1u, key, i);
            before += comes_before(j + 2u, key, i) + comes_before(j + 3u, key, i);
        }
        if (before < k) chosen[before] = i;
    }
    barrier();
    for (uint slot = lane; slot < k; slot += LANES) chosen_scores[slot] = expert_score(logits[start + chosen[slot]]);
    barrier();
    float sum = 0.0;
    for (uint slot = 0u; slot < k; slot++) sum += chosen_scores[slot];
    float norm = normalisation(sum);
    for (uint slot = lane; slot < k; slot += LANES) {
        experts[row * k + slot] = chosen[slot];
        weights[row * k + slot] = (chosen_scores[slot] * norm) * scale;
    }
}
