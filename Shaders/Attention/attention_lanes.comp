#version 450
#extension GL_GOOGLE_include_directive : require

// For GPUs, and where texels are too few: 64 lanes, which are positions while scores are made and dimensions while
// values are added, on a tile of queries of one key/value head: ROWS rows or HEADS heads, which share every load.
// `split` works on GROUPS blocks at a time and combines them in order, for few rows over long caches. DIMENSIONS is the
// larger of head and value size in units of 64, rounded up; `half` reads caches of f16. CHUNKED ones take heads longer
// than a chunk.

#include "rows.glsl"
#include "arithmetic.glsl"
#include "functions.glsl"
#include "half.glsl"

#pragma vkdyn optional(positions, bias, key_counts, ancestors)
#pragma vkdyn variant(rows1_size64, tile = 1x1x1, ROWS = 1, HEADS = 1, DIMENSIONS = 1)
#pragma vkdyn variant(rows8_size64, tile = 1x8x1, ROWS = 8, HEADS = 1, DIMENSIONS = 1)
#pragma vkdyn variant(rows1_size128, tile = 1x1x1, ROWS = 1, HEADS = 1, DIMENSIONS = 2)
#pragma vkdyn variant(rows8_size128, tile = 1x8x1, ROWS = 8, HEADS = 1, DIMENSIONS = 2)
#pragma vkdyn variant(rows1_size256, tile = 1x1x1, ROWS = 1, HEADS = 1, DIMENSIONS = 4)
#pragma vkdyn variant(rows4_size256, tile = 1x4x1, ROWS = 4, HEADS = 1, DIMENSIONS = 4)
#pragma vkdyn variant(rows1_size512, tile = 1x1x1, ROWS = 1, HEADS = 1, DIMENSIONS = 8, CHUNKED = 1)
#pragma vkdyn variant(rows2_size512, tile = 1x2x1, ROWS = 2, HEADS = 1, DIMENSIONS = 8, CHUNKED = 1)
#pragma vkdyn variant(split_size64, tile = 1x1x1, ROWS = 1, HEADS = 1, DIMENSIONS = 1, GROUPS = 8)
#pragma vkdyn variant(split_size128, tile = 1x1x1, ROWS = 1, HEADS = 1, DIMENSIONS = 2, GROUPS = 8)
#pragma vkdyn variant(split_size256, tile = 1x1x1, ROWS = 1, HEADS = 1, DIMENSIONS = 4, GROUPS = 8)
#pragma vkdyn variant(split_size512, tile = 1x1x1, ROWS = 1, HEADS = 1, DIMENSIONS = 8, GROUPS = 8, CHUNKED = 1)
#pragma vkdyn variant(split_heads4_size64, tile = 4x1x1, ROWS = 1, HEADS = 4, DIMENSIONS = 1, GROUPS = 8)
#pragma vkdyn variant(split_heads4_size128, tile = 4x1x1, ROWS = 1, HEADS = 4, DIMENSIONS = 2, GROUPS = 8)
#pragma vkdyn variant(half_rows1_size64, tile = 1x1x1, ROWS = 1, HEADS = 1, DIMENSIONS = 1, CACHE_HALVES = 1)
#pragma vkdyn variant(half_rows8_size64, tile = 1x8x1, ROWS = 8, HEADS = 1, DIMENSIONS = 1, CACHE_HALVES = 1)
#pragma vkdyn variant(half_rows1_size128, tile = 1x1x1, ROWS = 1, HEADS = 1, DIMENSIONS = 2, CACHE_HALVES = 1)
#pragma vkdyn variant(half_rows8_size128, tile = 1x8x1, ROWS = 8, HEADS = 1, DIMENSIONS = 2, CACHE_HALVES = 1)
#pragma vkdyn variant(half_rows1_size256, tile = 1x1x1, ROWS = 1, HEADS = 1, DIMENSIONS = 4, CACHE_HALVES = 1)
#pragma vkdyn variant(half_rows4_size256, tile = 1x4x1, ROWS = 4, HEADS = 1, DIMENSIONS = 4, CACHE_HALVES = 1)
#pragma vkdyn variant(half_rows1_size512, tile = 1x1x1, ROWS = 1, HEADS = 1, DIMENSIONS = 8, CHUNKED = 1, CACHE_HALVES = 1)
#pragma vkdyn variant(half_rows2_size512, tile = 1x2x1, ROWS = 2, HEADS = 1, DIMENSIONS = 8, CHUNKED = 1, CACHE_HALVES = 1)
#pragma vkdyn variant(half_split_size64, tile = 1x1x1, ROWS = 1, HEADS = 1, DIMENSIONS = 1, GROUPS = 8, CACHE_HALVES = 1)
#pragma vkdyn variant(half_split_size128, tile = 1x1x1, ROWS = 1, HEADS = 1, DIMENSIONS = 2, GROUPS = 8, CACHE_HALVES = 1)
#pragma vkdyn variant(half_split_size256, tile = 1x1x1, ROWS = 1, HEADS = 1, DIMENSIONS = 4, GROUPS = 8, CACHE_HALVES = 1)
#pragma vkdyn variant(half_split_size512, tile = 1x1x1, ROWS = 1, HEADS = 1, DIMENSIONS = 8, GROUPS = 8, CHUNKED = 1, CACHE_HALVES = 1)
#pragma vkdyn variant(half_split_heads4_size64, tile = 4x1x1, ROWS = 1, HEADS = 4, DIMENSIONS = 1, GROUPS = 8, CACHE_HALVES = 1)
#pragma vkdyn variant(half_split_heads4_size128, tile = 4x1x1, ROWS = 1, HEADS = 4, DIMENSIONS = 2, GROUPS = 8, CACHE_HALVES = 1)

#ifndef GROUPS
#define GROUPS 1
#endif

layout(local_size_x = 64, local_size_y = GROUPS) in;

layout(constant_id = 10) const uint ROWS = 1u;
layout(constant_id = 11) const uint HEADS = 1u;
layout(constant_id = 12) const uint DIMENSIONS = 4u;

layout(std430, binding = 2) readonly buffer Source { float source[]; };
#ifdef CACHE_HALVES
layout(std430, binding = 3) readonly buffer KeyCache { uvec2 key_cache[]; };
layout(std430, binding = 4) readonly buffer ValueCache { uint value_cache[]; };
vec4 key_quad(uint texel) { return widen_halves(key_cache[texel]); }
float value_at(uint element) { return unpackHalf2x16(value_cache[element / 2u])[element % 2u]; }
#else
layout(std430, binding = 3) readonly buffer KeyCache { vec4 key_cache[]; };
layout(std430, binding = 4) readonly buffer ValueCache { float value_cache[]; };
vec4 key_quad(uint texel) { return key_cache[texel]; }
float value_at(uint element) { return value_cache[element]; }
#endif
layout(std430, binding = 5) readonly buffer Bias { float bias[]; };
layout(std430, binding = 8) writeonly buffer Result { float result[]; };

#include "attention.glsl"

const uint QUERIES = ROWS * HEADS;
const uint OUTPUTS = QUERIES * DIMENSIONS;

// [query][texel]
shared vec4 queries[QUERIES * DIMENSIONS * 16u];
// [parity][group][query]: two sets in turn, so that one can be written while the other is read.
shared uint block_keys[2u * GROUPS * QUERIES];
// [group][query][position]
shared float weights[GROUPS * QUERIES * BLOCK];
// [parity][group][position]
shared uint slots[2u * GROUPS * BLOCK];
#if GROUPS > 1
shared float group_sums[GROUPS * QUERIES];
shared float group_outputs[GROUPS * OUTPUTS * 64u];
#endif

void main() {
    uint lane = gl_LocalInvocationID.x;
    uint group = gl_LocalInvocationID.y;
    uint sequence = gl_WorkGroupID.z;
    uint row_end = min(rows.count, row_capacity);
    if (sequence_rows > 0u) row_end = min(row_end, (sequence + 1u) * sequence_rows);
    uint first_row = sequence * sequence_rows + gl_WorkGroupID.y * ROWS;
    uint first_head = gl_WorkGroupID.x * HEADS;
    if (first_row >= row_end) return;
    uint cache_head = sequence * kv_head_count + first_head / (head_count / kv_head_count);
    uint key_texels = head_size / 4u;

    // The tile's rows; one beyond the end repeats the first and is never stored.
    Range range[ROWS];
    uint biases[QUERIES];
    // The first and last position that any row attends.
    uint begin = 0xFFFFFFFFu;
    uint last = 0u;
    for (uint r = 0u; r < ROWS; r++) {
        uint row = first_row + r < row_end ? first_row + r : first_row;
        uint position = position_of(row);
        range[r] = range_of(sequence, position);
        begin = min(begin, range[r].lower);
        last = max(last, max(range[r].stop, 1u) - 1u);
        if (HAS_BIAS) {
            for (uint h = 0u; h < HEADS; h++) {
                biases[r * HEADS + h] = bias_start(sequence, first_head + h, row, position);
            }
        }
    }
    if (group == 0u) {
        for (uint q = 0u; q < QUERIES; q++) {
            uint row = first_row + q / HEADS < row_end ? first_row + q / HEADS : first_row;
            uint start = row * source_stride + (first_head + q % HEADS) * head_size;
            for (uint t = lane; t < key_texels; t += 64u) {
                uint element = start + t * 4u;
                queries[q * key_texels + t] =
                    vec4(source[element], source[element + 1u], source[element + 2u], source[element + 3u]);
            }
        }
        for (uint i = lane; i < 2u * GROUPS * QUERIES; i += 64u) block_keys[i] = 0u;
    }
    barrier();

    uint running_key[QUERIES];
    float running_sum[QUERIES];
    float running_output[OUTPUTS];
    for (uint q = 0u; q < QUERIES; q++) {
        running_key[q] = 0u;
        running_sum[q] = 0.0;
    }
    for (uint i = 0u; i < OUTPUTS; i++) running_output[i] = 0.0;

    uint parity = 0u;
    for (uint base = begin / BLOCK; base <= last / BLOCK; base += GROUPS) {
        uint block = base + group;
        uint keys = parity * (GROUPS * QUERIES) + group * QUERIES;
        uint next_keys = (1u - parity) * (GROUPS * QUERIES) + group * QUERIES;

        // Scores: a lane is a position. Positions beyond the tile's last are absent and read that one instead.
        uint position = block * BLOCK + lane;
        uint slot = slot_of(sequence, first_row, min(position, last));
        uint key = key_texel(cache_head, slot, key_texels, cache_capacity);
        if (HAS_ANCESTORS) slots[(parity * GROUPS + group) * BLOCK + lane] = slot;
        float score[QUERIES];
        bool is_present[QUERIES];
        for (uint q = 0u; q < QUERIES; q++) score[q] = 0.0;
#ifdef CHUNKED
        float first_chunk[QUERIES];
        for (uint q = 0u; q < QUERIES; q++) first_chunk[q] = 0.0;
#endif
        for (uint t = 0u; t < key_texels; t++) {
            vec4 k = key_quad(key + t * 64u);
            for (uint q = 0u; q < QUERIES; q++) {
                vec4 x = queries[q * key_texels + t];
                float s = multiply_add(k.x, x.x, score[q]);
                s = multiply_add(k.y, x.y, s);
                s = multiply_add(k.z, x.z, s);
                score[q] = multiply_add(k.w, x.w, s);
#ifdef CHUNKED
                bool is_chunk = t + 1u == CHUNK / 4u && t + 1u < key_texels;
                first_chunk[q] = is_chunk ? score[q] : first_chunk[q];
                score[q] = is_chunk ? 0.0 : score[q];
#endif
            }
        }
#ifdef CHUNKED
        for (uint q = 0u; q < QUERIES; q++) {
            if (key_texels > CHUNK / 4u) score[q] = first_chunk[q] + score[q];
        }
#endif
        for (uint q = 0u; q < QUERIES; q++) {
            score[q] = score[q] * scale;
            is_present[q] = position >= range[q / HEADS].lower && position < range[q / HEADS].stop;
            if (HAS_BIAS) {
                // What lies outside a row's range need not be in the buffer.
                float added = bias[is_present[q] ? biases[q] + position * bias_key_stride : 0u];
                is_present[q] = is_present[q] && !is_negative_infinity(added);
                score[q] = score[q] + added;
            }
            if (is_present[q]) atomicMax(block_keys[keys + q], entry_key(score[q]));
        }
        barrier();

        for (uint q = 0u; q < QUERIES; q++) {
            float weight = exponential(score[q] - shift_of(block_keys[keys + q]));
            weights[(group * QUERIES + q) * BLOCK + lane] = is_present[q] ? weight : ABSENT;
            if (lane == 0u) block_keys[next_keys + q] = 0u;
        }
        barrier();

        // Sums and outputs: a lane is a dimension, or several 64 apart.
        float sum[QUERIES];
        float partial[OUTPUTS];
        for (uint q = 0u; q < QUERIES; q++) sum[q] = 0.0;
        for (uint i = 0u; i < OUTPUTS; i++) partial[i] = 0.0;
        uint first = block * BLOCK > begin ? block * BLOCK : begin;
        uint stop = min(block * BLOCK + BLOCK - 1u, last) + 1u;
        for (uint p = first; p < stop; p++) {
            uint place = HAS_ANCESTORS ? slots[(parity * GROUPS + group) * BLOCK + p % BLOCK]
                                       : min(p, cache_capacity - 1u);
            uint value = (cache_head * cache_capacity + place) * value_size + lane;
            float v[DIMENSIONS];
            for (uint d = 0u; d < DIMENSIONS; d++) {
                v[d] = lane + d * 64u < value_size ? value_at(value + d * 64u) : 0.0;
            }
            for (uint q = 0u; q < QUERIES; q++) {
                float weight = weights[(group * QUERIES + q) * BLOCK + p % BLOCK];
                bool is_skipped = is_absent(weight);
                sum[q] = is_skipped ? sum[q] : sum[q] + weight;
                for (uint d = 0u; d < DIMENSIONS; d++) {
                    float added = multiply_add(v[d], weight, partial[q * DIMENSIONS + d]);
                    partial[q * DIMENSIONS + d] = is_skipped ? partial[q * DIMENSIONS + d] : added;
                }
            }
        }
#if GROUPS > 1
        for (uint i = 0u; i < OUTPUTS; i++) group_outputs[(group * OUTPUTS + i) * 64u + lane] = partial[i];
        for (uint q = 0u; q < QUERIES; q++) {
            if (lane == 0u) group_sums[group * QUERIES + q] = sum[q];
        }
        barrier();
#endif

        // Combination in ascending order, a block without entries left out; all groups do the same.
        for (uint g = 0u; g < GROUPS; g++) {
            for (uint q = 0u; q < QUERIES; q++) {
                uint block_key = block_keys[parity * (GROUPS * QUERIES) + g * QUERIES + q];
                if (block_key == 0u) continue;
#if GROUPS > 1
                float block_sum = group_sums[g * QUERIES + q];
#else
                float block_sum = sum[q];
#endif
                bool is_first = running_key[q] == 0u;
                uint both = max(running_key[q], block_key);
                float a = part_factor(running_key[q], both);
                float b = part_factor(block_key, both);
                running_key[q] = both;
                running_sum[q] = is_first ? block_sum : running_sum[q] * a + block_sum * b;
                for (uint d = 0u; d < DIMENSIONS; d++) {
                    uint i = q * DIMENSIONS + d;
#if GROUPS > 1
                    float o = group_outputs[(g * OUTPUTS + i) * 64u + lane];
#else
                    float o = partial[i];
#endif
                    running_output[i] = is_first ? o : running_output[i] * a + o * b;
                }
            }
        }
        parity = 1u - parity;
    }

    if (group > 0u) return;
    for (uint q = 0u; q < QUERIES; q++) {
        uint row = first_row + q / HEADS;
        if (row >= row_end) continue;
        float factor = running_key[q] == 0u ? 0.0 : reciprocal(running_sum[q]);
        uint start = (row * head_count + first_head + q % HEADS) * value_size;
        for (uint d = 0u; d < DIMENSIONS; d++) {
            uint dimension = lane + d * 64u;
            if (dimension < value_size) result[start + dimension] = running_output[q * DIMENSIONS + d] * factor;
        }
    }
}
