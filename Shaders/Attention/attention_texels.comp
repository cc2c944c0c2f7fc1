#version 450
#extension GL_GOOGLE_include_directive : require

// For lavapipe: 8 lanes with eight positions each while scores are made and TEXELS quads of dimensions each while values
// are added, through texel views, on a tile of queries of one key/value head: ROWS rows or HEADS heads, which share
// every load. TEXELS is the head size in units of 32, rounded up to a power of two.

#include "rows.glsl"
#include "arithmetic.glsl"
#include "functions.glsl"

#pragma vkdyn variant(texels_rows1_size64, tile = 1x1x1, ROWS = 1, HEADS = 1, TEXELS = 2)
#pragma vkdyn variant(texels_rows2_size64, tile = 1x2x1, ROWS = 2, HEADS = 1, TEXELS = 2)
#pragma vkdyn variant(texels_rows4_size64, tile = 1x4x1, ROWS = 4, HEADS = 1, TEXELS = 2)
#pragma vkdyn variant(texels_heads2_size64, tile = 2x1x1, ROWS = 1, HEADS = 2, TEXELS = 2)
#pragma vkdyn variant(texels_heads3_size64, tile = 3x1x1, ROWS = 1, HEADS = 3, TEXELS = 2)
#pragma vkdyn variant(texels_heads4_size64, tile = 4x1x1, ROWS = 1, HEADS = 4, TEXELS = 2)
#pragma vkdyn variant(texels_heads7_size64, tile = 7x1x1, ROWS = 1, HEADS = 7, TEXELS = 2)
#pragma vkdyn variant(texels_rows1_size128, tile = 1x1x1, ROWS = 1, HEADS = 1, TEXELS = 4)
#pragma vkdyn variant(texels_rows2_size128, tile = 1x2x1, ROWS = 2, HEADS = 1, TEXELS = 4)
#pragma vkdyn variant(texels_rows4_size128, tile = 1x4x1, ROWS = 4, HEADS = 1, TEXELS = 4)
#pragma vkdyn variant(texels_heads2_size128, tile = 2x1x1, ROWS = 1, HEADS = 2, TEXELS = 4)
#pragma vkdyn variant(texels_heads4_size128, tile = 4x1x1, ROWS = 1, HEADS = 4, TEXELS = 4)
#pragma vkdyn variant(texels_rows1_size256, tile = 1x1x1, ROWS = 1, HEADS = 1, TEXELS = 8)
#pragma vkdyn variant(texels_rows4_size256, tile = 1x4x1, ROWS = 4, HEADS = 1, TEXELS = 8)

layout(local_size_x = 8) in;

layout(constant_id = 0) const bool HAS_ANCESTORS = false;
layout(constant_id = 10) const uint ROWS = 1u;
layout(constant_id = 11) const uint HEADS = 1u;
layout(constant_id = 12) const uint TEXELS = 8u;

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(std430, binding = 1) readonly buffer Positions { uint positions[]; };
layout(binding = 2) uniform textureBuffer source;
layout(binding = 3) uniform textureBuffer key_cache;
layout(binding = 4) uniform textureBuffer value_cache;
layout(std430, binding = 5) readonly buffer Ancestors { uint ancestors[]; };
layout(std430, binding = 6) writeonly buffer Result { vec4 result[]; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint head_count;
    uint kv_head_count;
    uint head_size;
    uint source_stride;
    uint cache_capacity;
    float scale;
    uint window;
    uint max_depth;
};

#include "attention.glsl"

const uint LANES = 8u;
// Positions of a lane.
const uint SHARE = 8u;
const uint QUERIES = ROWS * HEADS;

// [parity][query]: two sets in turn, so that one can be written while the other is read.
shared uint block_keys[2u * QUERIES];
// [query][position]
shared float weights[QUERIES * BLOCK];
// [parity][position]
shared uint slots[2u * BLOCK];

// The block sum and output of one query.
float sum[QUERIES];
vec4 partial[QUERIES * TEXELS];

// Adds position p of the block's values to the queries that attend it, or to all.
void add_values(uint p, uint value, uint texels, bool is_masked, uint lower[ROWS], uint last[ROWS]) {
    vec4 v[TEXELS];
    for (uint t = 0u; t < TEXELS; t++) {
        // Beyond the head the last quad is read again; its outputs are never stored.
        v[t] = texelFetch(value_cache, int(value + min(gl_LocalInvocationID.x + t * LANES, texels - 1u)));
    }
    for (uint q = 0u; q < QUERIES; q++) {
        float weight = weights[q * BLOCK + p % BLOCK];
        bool is_present = !is_masked || (p >= lower[q / HEADS] && p <= last[q / HEADS]);
        sum[q] = is_present ? sum[q] + weight : sum[q];
        for (uint t = 0u; t < TEXELS; t++) {
            vec4 added = multiply_add(v[t], weight, partial[q * TEXELS + t]);
            partial[q * TEXELS + t] = is_present ? added : partial[q * TEXELS + t];
        }
    }
}

void main() {
    uint lane = gl_LocalInvocationID.x;
    uint row_count = min(rows.count, row_capacity);
    uint first_row = gl_WorkGroupID.y * ROWS;
    uint first_head = gl_WorkGroupID.x * HEADS;
    if (first_row >= row_count) return;
    uint kv_head = first_head / (head_count / kv_head_count);
    uint texels = head_size / 4u;

    // The tile's rows; one beyond the count repeats the first and is never stored.
    uint query[ROWS];
    uint lower[ROWS];
    uint last[ROWS];
    uint begin = 0xFFFFFFFFu;
    uint end = 0u;
    // Positions that all rows attend.
    uint common_begin = 0u;
    uint common_end = 0xFFFFFFFFu;
    for (uint r = 0u; r < ROWS; r++) {
        uint row = first_row + r < row_count ? first_row + r : first_row;
        query[r] = row * (source_stride / 4u) + first_head * texels;
        last[r] = positions[row];
        lower[r] = first_position(last[r]);
        begin = min(begin, lower[r]);
        end = max(end, last[r]);
        common_begin = max(common_begin, lower[r]);
        common_end = min(common_end, last[r]);
    }
    for (uint i = lane; i < 2u * QUERIES; i += LANES) block_keys[i] = 0u;
    barrier();

    uint running_key[QUERIES];
    float running_sum[QUERIES];
    vec4 running_output[QUERIES * TEXELS];
    for (uint q = 0u; q < QUERIES; q++) {
        running_key[q] = 0u;
        running_sum[q] = 0.0;
    }
    for (uint i = 0u; i < QUERIES * TEXELS; i++) running_output[i] = vec4(0.0);

    uint parity = 0u;
    for (uint block = begin / BLOCK; block <= end / BLOCK; block++) {
        uint block_begin = block * BLOCK;
        uint keys = parity * QUERIES;
        uint next_keys = (1u - parity) * QUERIES;

        // Scores: a lane has positions 8 apart. Positions beyond the tile's last are absent and read that one instead.
        uint key[SHARE];
        for (uint s = 0u; s < SHARE; s++) {
            uint slot = slot_of(first_row, min(block_begin + s * LANES + lane, end));
            key[s] = key_texel(kv_head, slot);
            if (HAS_ANCESTORS) slots[parity * BLOCK + s * LANES + lane] = slot;
        }
        float score[QUERIES * SHARE];
        for (uint i = 0u; i < QUERIES * SHARE; i++) score[i] = 0.0;
        for (uint t = 0u; t < texels; t++) {
            vec4 x[QUERIES];
            for (uint q = 0u; q < QUERIES; q++) {
                x[q] = texelFetch(source, int(query[q / HEADS] + (q % HEADS) * texels + t));
            }
            for (uint s = 0u; s < SHARE; s++) {
                vec4 k = texelFetch(key_cache, int(key[s] + t * 64u));
                for (uint q = 0u; q < QUERIES; q++) {
                    float value = multiply_add(k.x, x[q].x, score[q * SHARE + s]);
                    value = multiply_add(k.y, x[q].y, value);
                    value = multiply_add(k.z, x[q].z, value);
                    score[q * SHARE + s] = multiply_add(k.w, x[q].w, value);
                }
            }
        }
        for (uint q = 0u; q < QUERIES; q++) {
            uint maximum = 0u;
            for (uint s = 0u; s < SHARE; s++) {
                uint position = block_begin + s * LANES + lane;
                score[q * SHARE + s] = score[q * SHARE + s] * scale;
                bool is_present = position >= lower[q / HEADS] && position <= last[q / HEADS];
                maximum = max(maximum, is_present ? order_key(score[q * SHARE + s]) : 0u);
            }
            atomicMax(block_keys[keys + q], maximum);
        }
        barrier();

        // Weights, of absent positions too: they are skipped below.
        for (uint q = 0u; q < QUERIES; q++) {
            float shift = shift_of(block_keys[keys + q]);
            for (uint s = 0u; s < SHARE; s++) {
                weights[q * BLOCK + s * LANES + lane] = exponential(score[q * SHARE + s] - shift);
            }
            if (lane == 0u) block_keys[next_keys + q] = 0u;
        }
        barrier();

        // Sums and outputs: a lane has quads of dimensions 8 apart. Positions of all queries need no selection.
        for (uint q = 0u; q < QUERIES; q++) sum[q] = 0.0;
        for (uint i = 0u; i < QUERIES * TEXELS; i++) partial[i] = vec4(0.0);
        uint first = max(block_begin, begin);
        uint stop = min(block_begin + BLOCK - 1u, end) + 1u;
        bool is_common = ROWS == 1u || (first >= common_begin && stop - 1u <= common_end);
        uint values = kv_head * cache_capacity;
        for (uint p = is_common ? first : stop; p < stop; p++) {
            uint place = HAS_ANCESTORS ? slots[parity * BLOCK + p % BLOCK] : min(p, cache_capacity - 1u);
            add_values(p, (values + place) * texels, texels, false, lower, last);
        }
        if (ROWS > 1u) {
            for (uint p = is_common ? stop : first; p < stop; p++) {
                add_values(p, (values + min(p, cache_capacity - 1u)) * texels, texels, true, lower, last);
            }
        }

        // Combination in ascending order.
        for (uint q = 0u; q < QUERIES; q++) {
            uint first_block = lower[q / HEADS] / BLOCK;
            bool is_present = block >= first_block && block <= last[q / HEADS] / BLOCK;
            bool is_first = block == first_block;
            uint block_key = block_keys[keys + q];
            uint both = is_first ? block_key : max(running_key[q], block_key);
            float a = part_factor(running_key[q], both);
            float b = part_factor(block_key, both);
            float total = is_first ? sum[q] : running_sum[q] * a + sum[q] * b;
            running_key[q] = is_present ? both : running_key[q];
            running_sum[q] = is_present ? total : running_sum[q];
            for (uint t = 0u; t < TEXELS; t++) {
                uint i = q * TEXELS + t;
                vec4 value = is_first ? partial[i] : running_output[i] * a + partial[i] * b;
                running_output[i] = is_present ? value : running_output[i];
            }
        }
        parity = 1u - parity;
    }

    for (uint q = 0u; q < QUERIES; q++) {
        uint row = first_row + q / HEADS;
        float factor = reciprocal(running_sum[q]);
        uint start = (row * head_count + first_head + q % HEADS) * texels;
        for (uint t = 0u; t < TEXELS; t++) {
            uint texel = lane + t * LANES;
            if (row < row_count && texel < texels) result[start + texel] = running_output[q * TEXELS + t] * factor;
        }
    }
}
