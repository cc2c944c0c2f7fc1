#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_KHR_shader_subgroup_shuffle : require

// For CPU drivers: texel loads, and 8 lanes of one subgroup that share nothing but their registers. A lane has eight
// neighbouring positions of a block while scores are made, and TEXELS quads of dimensions, 8 apart, while values are
// added; a shuffle carries the weights over. A tile is ROWS rows or HEADS heads that use one key/value head, and so
// every load. TEXELS is the value size in units of 32, rounded up. CHUNKED ones take heads longer than a chunk.
//
// These drivers run both sides of a branch, and a loop's body once more than needed unless its test stands at the end.
// They index arrays lane by lane, wherefore all loops over registers are unrolled.

#include "rows.glsl"
#include "arithmetic.glsl"
#include "functions.glsl"

#pragma vkdyn optional(positions, bias, key_counts, ancestors)
#pragma vkdyn variant(texels_rows1_size32, tile = 1x1x1, ROWS = 1, HEADS = 1, TEXELS = 1)
#pragma vkdyn variant(texels_rows4_size32, tile = 1x4x1, ROWS = 4, HEADS = 1, TEXELS = 1)
#pragma vkdyn variant(texels_rows8_size32, tile = 1x8x1, ROWS = 8, HEADS = 1, TEXELS = 1)
#pragma vkdyn variant(texels_heads4_size32, tile = 4x1x1, ROWS = 1, HEADS = 4, TEXELS = 1)
#pragma vkdyn variant(texels_rows1_size64, tile = 1x1x1, ROWS = 1, HEADS = 1, TEXELS = 2)
#pragma vkdyn variant(texels_rows4_size64, tile = 1x4x1, ROWS = 4, HEADS = 1, TEXELS = 2)
#pragma vkdyn variant(texels_rows8_size64, tile = 1x8x1, ROWS = 8, HEADS = 1, TEXELS = 2)
#pragma vkdyn variant(texels_heads2_size64, tile = 2x1x1, ROWS = 1, HEADS = 2, TEXELS = 2)
#pragma vkdyn variant(texels_heads3_size64, tile = 3x1x1, ROWS = 1, HEADS = 3, TEXELS = 2)
#pragma vkdyn variant(texels_heads4_size64, tile = 4x1x1, ROWS = 1, HEADS = 4, TEXELS = 2)
#pragma vkdyn variant(texels_heads7_size64, tile = 7x1x1, ROWS = 1, HEADS = 7, TEXELS = 2)
#pragma vkdyn variant(texels_rows1_size96, tile = 1x1x1, ROWS = 1, HEADS = 1, TEXELS = 3)
#pragma vkdyn variant(texels_rows4_size96, tile = 1x4x1, ROWS = 4, HEADS = 1, TEXELS = 3)
#pragma vkdyn variant(texels_rows1_size128, tile = 1x1x1, ROWS = 1, HEADS = 1, TEXELS = 4)
#pragma vkdyn variant(texels_rows4_size128, tile = 1x4x1, ROWS = 4, HEADS = 1, TEXELS = 4)
#pragma vkdyn variant(texels_heads2_size128, tile = 2x1x1, ROWS = 1, HEADS = 2, TEXELS = 4)
#pragma vkdyn variant(texels_heads4_size128, tile = 4x1x1, ROWS = 1, HEADS = 4, TEXELS = 4)
#pragma vkdyn variant(texels_rows1_size256, tile = 1x1x1, ROWS = 1, HEADS = 1, TEXELS = 8)
#pragma vkdyn variant(texels_rows2_size256, tile = 1x2x1, ROWS = 2, HEADS = 1, TEXELS = 8)
#pragma vkdyn variant(texels_heads2_size256, tile = 2x1x1, ROWS = 1, HEADS = 2, TEXELS = 8)
#pragma vkdyn variant(texels_rows1_size512, tile = 1x1x1, ROWS = 1, HEADS = 1, TEXELS = 16, CHUNKED = 1)
#pragma vkdyn variant(texels_rows2_size512, tile = 1x2x1, ROWS = 2, HEADS = 1, TEXELS = 16, CHUNKED = 1)

layout(local_size_x = 8) in;

layout(constant_id = 10) const uint ROWS = 1u;
layout(constant_id = 11) const uint HEADS = 1u;
layout(constant_id = 12) const uint TEXELS = 8u;

layout(binding = 2) uniform textureBuffer source;
layout(binding = 3) uniform textureBuffer key_cache;
layout(binding = 4) uniform textureBuffer value_cache;
layout(binding = 5) uniform textureBuffer bias;
layout(std430, binding = 8) writeonly buffer Result { vec4 result[]; };

#include "attention.glsl"

const uint LANES = 8u;
// Positions of a lane.
const uint SHARE = 8u;
const uint QUERIES = ROWS * HEADS;

float bias_at(uint element) {
    vec4 quad = texelFetch(bias, int(element / 4u));
    return (element & 2u) == 0u ? ((element & 1u) == 0u ? quad.x : quad.y) : ((element & 1u) == 0u ? quad.z : quad.w);
}

void main() {
    uint lane = gl_SubgroupInvocationID;
    uint sequence = gl_WorkGroupID.z;
    uint row_end = min(rows.count, row_capacity);
    if (sequence_rows > 0u) row_end = min(row_end, (sequence + 1u) * sequence_rows);
    uint first_row = sequence * sequence_rows + gl_WorkGroupID.y * ROWS;
    uint first_head = gl_WorkGroupID.x * HEADS;
    if (first_row >= row_end) return;
    uint cache_head = sequence * kv_head_count + first_head / (head_count / kv_head_count);
    uint key_texels = head_size / 4u;
    uint value_texels = value_size / 4u;

    // The tile's rows; one beyond the end repeats the first and is never stored.
    uint query[ROWS];
    Range range[ROWS];
    uint biases[QUERIES];
    // The first and last position that any row attends.
    uint begin = 0xFFFFFFFFu;
    uint last = 0u;
    [[unroll]] for (uint r = 0u; r < ROWS; r++) {
        uint row = first_row + r < row_end ? first_row + r : first_row;
        uint position = position_of(row);
        query[r] = row * (source_stride / 4u) + first_head * key_texels;
        range[r] = range_of(sequence, position);
        begin = min(begin, range[r].lower);
        last = max(last, max(range[r].stop, 1u) - 1u);
        if (HAS_BIAS) {
            [[unroll]] for (uint h = 0u; h < HEADS; h++) {
                biases[r * HEADS + h] = bias_start(sequence, first_head + h, row, position);
            }
        }
    }

    uint running_key[QUERIES];
    float running_sum[QUERIES];
    vec4 running_output[QUERIES * TEXELS];
    [[unroll]] for (uint q = 0u; q < QUERIES; q++) {
        running_key[q] = 0u;
        running_sum[q] = 0.0;
    }
    [[unroll]] for (uint i = 0u; i < QUERIES * TEXELS; i++) running_output[i] = vec4(0.0);

    uint block = begin / BLOCK;
    do {
        uint block_begin = block * BLOCK;

        // Scores. Positions beyond the tile's last are absent and read that one instead.
        uint slot[SHARE];
        uint key[SHARE];
        [[unroll]] for (uint s = 0u; s < SHARE; s++) {
            slot[s] = slot_of(sequence, first_row, min(block_begin + lane * SHARE + s, last));
            key[s] = key_texel(cache_head, slot[s], key_texels, cache_capacity);
        }
        float score[QUERIES * SHARE];
        [[unroll]] for (uint i = 0u; i < QUERIES * SHARE; i++) score[i] = 0.0;
#ifdef CHUNKED
        float first_chunk[QUERIES * SHARE];
        [[unroll]] for (uint i = 0u; i < QUERIES * SHARE; i++) first_chunk[i] = 0.0;
#endif
        uint texel = 0u;
        do {
            vec4 x[QUERIES];
            [[unroll]] for (uint q = 0u; q < QUERIES; q++) {
                x[q] = texelFetch(source, int(query[q / HEADS] + (q % HEADS) * key_texels + texel));
            }
            UNROLL for (uint s = 0u; s < unrolled(SHARE); s++) {
                vec4 k = texelFetch(key_cache, int(key[s] + texel * 64u));
                UNROLL for (uint q = 0u; q < unrolled(QUERIES); q++) {
                    float value = multiply_add(k.x, x[q].x, score[q * SHARE + s]);
                    value = multiply_add(k.y, x[q].y, value);
                    value = multiply_add(k.z, x[q].z, value);
                    score[q * SHARE + s] = multiply_add(k.w, x[q].w, value);
                }
            }
            texel++;
#ifdef CHUNKED
            bool is_chunk = texel == CHUNK / 4u && texel < key_texels;
            [[unroll]] for (uint i = 0u; i < QUERIES * SHARE; i++) {
                first_chunk[i] = is_chunk ? score[i] : first_chunk[i];
                score[i] = is_chunk ? 0.0 : score[i];
            }
#endif
        } while (texel < key_texels);
#ifdef CHUNKED
        bool is_chunked = key_texels > CHUNK / 4u;
        [[unroll]] for (uint i = 0u; i < QUERIES * SHARE; i++) {
            score[i] = is_chunked ? first_chunk[i] + score[i] : score[i];
        }
#endif

        // Maxima, and weights in place of the scores.
        uint block_key[QUERIES];
        [[unroll]] for (uint q = 0u; q < QUERIES; q++) {
            uint maximum = 0u;
            uint present = 0u;
            [[unroll]] for (uint s = 0u; s < SHARE; s++) {
                uint position = block_begin + lane * SHARE + s;
                bool is_present = position >= range[q / HEADS].lower && position < range[q / HEADS].stop;
                float value = score[q * SHARE + s] * scale;
                if (HAS_BIAS) {
                    // What lies outside a row's range need not be in the buffer.
                    float added = bias_at(is_present ? biases[q] + position * bias_key_stride : 0u);
                    is_present = is_present && !is_negative_infinity(added);
                    value = value + added;
                }
                score[q * SHARE + s] = value;
                present |= is_present ? 1u << s : 0u;
                maximum = max(maximum, is_present ? entry_key(value) : 0u);
            }
            block_key[q] = subgroupMax(maximum);
            float shift = shift_of(block_key[q]);
            [[unroll]] for (uint s = 0u; s < SHARE; s++) {
                float weight = exponential(score[q * SHARE + s] - shift);
                score[q * SHARE + s] = (present & 1u << s) != 0u ? weight : ABSENT;
            }
        }

        // Sums and outputs, by groups of the eight positions of one lane.
        float sum[QUERIES];
        vec4 partial[QUERIES * TEXELS];
        [[unroll]] for (uint q = 0u; q < QUERIES; q++) sum[q] = 0.0;
        [[unroll]] for (uint i = 0u; i < QUERIES * TEXELS; i++) partial[i] = vec4(0.0);
        uint group = block_begin < begin ? (begin - block_begin) / SHARE : 0u;
        uint last_group = min(last - block_begin, BLOCK - 1u) / SHARE;
        do {
            UNROLL for (uint s = 0u; s < unrolled(SHARE); s++) {
                uint place = HAS_ANCESTORS ? subgroupShuffle(slot[s], group)
                                           : min(block_begin + group * SHARE + s, cache_capacity - 1u);
                uint value = (cache_head * cache_capacity + place) * value_texels;
                vec4 v[TEXELS];
                [[unroll]] for (uint t = 0u; t < TEXELS; t++) {
                    // Beyond the head the last quad is read again; its outputs are never stored.
                    v[t] = texelFetch(value_cache, int(value + min(lane + t * LANES, value_texels - 1u)));
                }
                UNROLL for (uint q = 0u; q < unrolled(QUERIES); q++) {
                    float weight = subgroupShuffle(score[q * SHARE + s], group);
                    bool is_skipped = is_absent(weight);
                    sum[q] = is_skipped ? sum[q] : sum[q] + weight;
                    UNROLL for (uint t = 0u; t < unrolled(TEXELS); t++) {
                        uint i = q * TEXELS + t;
                        vec4 added = multiply_add(v[t], weight, partial[i]);
                        partial[i] = is_skipped ? partial[i] : added;
                    }
                }
            }
            group++;
        } while (group <= last_group);

        // Combination in ascending order; a block without entries is left out.
        [[unroll]] for (uint q = 0u; q < QUERIES; q++) {
            bool is_present = block_key[q] != 0u;
            bool is_first = running_key[q] == 0u;
            uint both = max(running_key[q], block_key[q]);
            float a = part_factor(running_key[q], both);
            float b = part_factor(block_key[q], both);
            float total = is_first ? sum[q] : running_sum[q] * a + sum[q] * b;
            running_key[q] = both;
            running_sum[q] = is_present ? total : running_sum[q];
            [[unroll]] for (uint t = 0u; t < TEXELS; t++) {
                uint i = q * TEXELS + t;
                vec4 value = is_first ? partial[i] : running_output[i] * a + partial[i] * b;
                running_output[i] = is_present ? value : running_output[i];
            }
        }
        block++;
    } while (block <= last / BLOCK);

    [[unroll]] for (uint q = 0u; q < QUERIES; q++) {
        uint row = first_row + q / HEADS;
        float factor = running_key[q] == 0u ? 0.0 : reciprocal(running_sum[q]);
        uint start = (row * head_count + first_head + q % HEADS) * value_texels;
        [[unroll]] for (uint t = 0u; t < TEXELS; t++) {
            uint texel = lane + t * LANES;
            if (row < row_end && texel < value_texels) result[start + texel] = running_output[q * TEXELS + t] * factor;
        }
    }
}
