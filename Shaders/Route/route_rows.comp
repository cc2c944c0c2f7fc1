#version 450
#extension GL_GOOGLE_include_directive : require

// One invocation a row, through texel views: it keeps the best MOST experts in registers, in order. Experts divisible
// by 4, as are those of a group.

#define TEXELS
#include "rows.glsl"
#include "functions.glsl"

#pragma vkdyn optional(bias)
#pragma vkdyn variant(rows8_k2, tile = 8x1x1, MOST = 2)
#pragma vkdyn variant(rows8_k8, tile = 8x1x1, MOST = 8)

layout(local_size_x = 8) in;

#include "scores.glsl"

uint first_quad;

vec4 logit_quad(uint quad) { return texelFetch(logits, int(first_quad + quad)); }

vec4 powers(vec4 x) {
    return vec4(exponential(x.x - maximum), exponential(x.y - maximum), exponential(x.z - maximum),
                exponential(x.w - maximum));
}

// reduction.glsl's sum: 64 strided lanes and their tree, here sixteen quads of lanes in the order in which the tree
// needs them, so that few partial sums are kept. Quad q meets q + 8, then q + 4, q + 2 and q + 1.
float softmax_sum(uint quad_count) {
    vec4 eighth;
    vec4 fourth;
    vec4 second;
    vec4 first;
    vec4 sum;
    for (uint i = 0u; i < 16u; i++) {
        sum = vec4(0.0);
        for (uint quad = bitfieldReverse(i) >> 28; quad < quad_count; quad += 16u) sum += powers(logit_quad(quad));
        if ((i & 1u) == 0u) {
            eighth = sum;
            continue;
        }
        sum = eighth + sum;
        if ((i & 2u) == 0u) {
            fourth = sum;
            continue;
        }
        sum = fourth + sum;
        if ((i & 4u) == 0u) {
            second = sum;
            continue;
        }
        sum = second + sum;
        if ((i & 8u) == 0u) {
            first = sum;
            continue;
        }
        sum = first + sum;
    }
    return (sum.x + sum.z) + (sum.y + sum.w);
}

// In descending order; a key of 0 is an empty place.
uint best_keys[MOST];
uint best_indices[MOST];
float best_scores[MOST];

void clear_best() {
    for (uint i = 0u; i < MOST; i++) {
        best_keys[i] = 0u;
        best_indices[i] = 0u;
        best_scores[i] = 0.0;
    }
}

// Indices come in ascending order: an element goes behind its equals.
void insert(uint key, uint index, float score) {
    for (uint i = 1u; i < MOST; i++) {
        uint place = MOST - i;
        bool moves = key > best_keys[place - 1u];
        bool enters = key > best_keys[place];
        best_scores[place] = moves ? best_scores[place - 1u] : enters ? score : best_scores[place];
        best_indices[place] = moves ? best_indices[place - 1u] : enters ? index : best_indices[place];
        best_keys[place] = moves ? best_keys[place - 1u] : enters ? key : best_keys[place];
    }
    bool enters = key > best_keys[0];
    best_scores[0] = enters ? score : best_scores[0];
    best_indices[0] = enters ? index : best_indices[0];
    best_keys[0] = enters ? key : best_keys[0];
}

// The groups that are kept, one bit each.
uint kept_group_bits(uint group_quads) {
    clear_best();
    for (uint group = 0u; group < group_count; group++) {
        uint largest = 0u;
        uint second = 0u;
        for (uint quad = group * group_quads; quad < (group + 1u) * group_quads; quad++) {
            vec4 x = logit_quad(quad);
            for (uint i = 0u; i < 4u; i++) {
                uint key = candidate_key(expert_score(x[i]), quad * 4u + i);
                second = max(second, min(key, largest));
                largest = max(largest, key);
            }
        }
        insert(group_key(largest, second), group, 0.0);
    }
    uint bits = 0u;
    for (uint i = 0u; i < MOST; i++) bits |= i < kept_groups ? 1u << best_indices[i] : 0u;
    return bits;
}

void main() {
    uint row = gl_GlobalInvocationID.x;
    if (row >= min(rows.count, row_capacity)) return;
    uint quad_count = expert_count / 4u;
    first_quad = row * quad_count;
    if (SCORE == SCORE_SOFTMAX) {
        uint key = 0u;
        for (uint quad = 0u; quad < quad_count; quad++) {
            vec4 x = logit_quad(quad);
            key = max(key, max(max(order_key(x.x), order_key(x.y)), max(order_key(x.z), order_key(x.w))));
        }
        maximum = from_order_key(key);
        factor = reciprocal(softmax_sum(quad_count));
    }
    uint group_quads = quad_count / group_count;
    uint kept = group_count > 1u ? kept_group_bits(group_quads) : 1u;
    clear_best();
    for (uint group = 0u; group < group_count; group++) {
        if ((kept >> group & 1u) == 0u) continue;
        for (uint quad = group * group_quads; quad < (group + 1u) * group_quads; quad++) {
            vec4 x = logit_quad(quad);
            for (uint i = 0u; i < 4u; i++) {
                float score = expert_score(x[i]);
                uint expert = quad * 4u + i;
                insert(candidate_key(score, expert), expert, score);
            }
        }
    }
    float sum = 0.0;
    for (uint slot = 0u; slot < MOST; slot++) sum = slot < k ? sum + best_scores[slot] : sum;
    float norm = normalisation(sum);
    for (uint slot = 0u; slot < MOST; slot++) {
        if (slot >= k) break;
        experts[row * k + slot] = best_indices[slot];
        weights[row * k + slot] = (best_scores[slot] * norm) * scale;
    }
}
