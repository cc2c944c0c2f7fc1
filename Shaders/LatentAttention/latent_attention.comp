#version 450
#extension GL_GOOGLE_include_directive : require

// For GPUs, and where texels are too few: 64 lanes, which are positions while scores are made and dimensions while
// values are added, on HEADS heads of a row, which share every load of the cache. Scores read the cache through slabs
// of SLAB quads of a block's positions, staged so that neighbouring lanes read neighbouring words in both directions.
// `split` works on GROUPS blocks at a time and combines them in order, for few rows over long caches. DIMENSIONS is the
// latent size in units of 256, rounded up. One head and one group fit into the least shared memory that Vulkan grants.

#include "rows.glsl"
#include "arithmetic.glsl"
#include "functions.glsl"

#pragma vkdyn variant(lanes_heads8_size256, tile = 8x1x1, HEADS = 8, DIMENSIONS = 1, GROUPS = 1, SLAB = 4)
#pragma vkdyn variant(lanes_heads8_size512, tile = 8x1x1, HEADS = 8, DIMENSIONS = 2, GROUPS = 1, SLAB = 4)
#pragma vkdyn variant(lanes_heads1_size256, tile = 1x1x1, HEADS = 1, DIMENSIONS = 1, GROUPS = 1, SLAB = 4)
#pragma vkdyn variant(lanes_heads1_size512, tile = 1x1x1, HEADS = 1, DIMENSIONS = 2, GROUPS = 1, SLAB = 4)
#pragma vkdyn variant(split4_heads4_size256, tile = 4x1x1, HEADS = 4, DIMENSIONS = 1, GROUPS = 4, SLAB = 4)
#pragma vkdyn variant(split4_heads4_size512, tile = 4x1x1, HEADS = 4, DIMENSIONS = 2, GROUPS = 4, SLAB = 4)
#pragma vkdyn variant(split8_heads1_size256, tile = 1x1x1, HEADS = 1, DIMENSIONS = 1, GROUPS = 8, SLAB = 2)
#pragma vkdyn variant(split8_heads1_size512, tile = 1x1x1, HEADS = 1, DIMENSIONS = 2, GROUPS = 8, SLAB = 2)

layout(local_size_x = 64, local_size_y = GROUPS) in;

layout(constant_id = 10) const uint HEADS = 1u;
layout(constant_id = 11) const uint DIMENSIONS = 2u;

layout(std430, binding = 2) readonly buffer LatentQueries { vec4 latent_queries[]; };
layout(std430, binding = 3) readonly buffer RotaryQueries { float rotary_queries[]; };
layout(std430, binding = 4) readonly buffer Cache { vec4 cache[]; };
layout(std430, binding = 5) writeonly buffer Result { vec4 result[]; };

#include "parameters.glsl"

// The most quads of a query: 512 and 128 dimensions.
const uint QUERY_QUADS = 160u;
// Positions of a slab's quad, and as many places more as put the quads of one position into different banks.
const uint SLAB_STRIDE = BLOCK + 8u / SLAB;
// Outputs come in rows of 64 quads, DIMENSIONS of them a head; a group combines every one of GROUPS, OWN in all.
const uint OUTPUT_ROWS = HEADS * DIMENSIONS;
const uint OWN = (OUTPUT_ROWS + GROUPS - 1u) / GROUPS;

// [head][quad]
shared vec4 queries[HEADS * QUERY_QUADS];
// [group][quad][position]; with several groups also one group's outputs, [row][quad].
shared vec4 slab[GROUPS * SLAB * SLAB_STRIDE];
// [parity][group][head]: two sets in turn, so that one can be written while the other is read.
shared uint block_keys[2u * GROUPS * HEADS];
// [group][position][head]
shared float weights[GROUPS * BLOCK * HEADS];
// [group][head]
shared float block_sums[GROUPS * HEADS];

void main() {
    uint lane = gl_LocalInvocationID.x;
    uint group = gl_LocalInvocationID.y;
    uint row = gl_WorkGroupID.y;
    uint first_head = gl_WorkGroupID.x * HEADS;
    if (row >= min(rows.count, row_capacity)) return;
    uint last = last_of(row);
    uint latent_quads = latent_size / 4u;
    uint rotary_quads = rotary_size / 4u;
    uint cache_quads = latent_quads + rotary_quads;
    uint flat_lane = group * 64u + lane;

    // A head beyond the last repeats it and is never stored.
    for (uint h = 0u; h < HEADS; h++) {
        uint head = min(first_head + h, head_count - 1u);
        uint start = (row * head_count + head) * latent_quads;
        for (uint i = flat_lane; i < latent_quads; i += GROUPS * 64u) {
            queries[h * QUERY_QUADS + i] = latent_queries[start + i];
        }
        for (uint i = flat_lane; i < rotary_quads; i += GROUPS * 64u) {
            uint element = row * rotary_stride + rotary_offset + head * rotary_size + i * 4u;
            queries[h * QUERY_QUADS + latent_quads + i] = vec4(
                rotary_queries[element], rotary_queries[element + 1u], rotary_queries[element + 2u],
                rotary_queries[element + 3u]);
        }
    }
    for (uint i = flat_lane; i < 2u * GROUPS * HEADS; i += GROUPS * 64u) block_keys[i] = 0u;

    uint running_key[OWN];
    float running_sum[OWN];
    vec4 running_output[OWN];
    for (uint i = 0u; i < OWN; i++) {
        running_key[i] = 0u;
        running_sum[i] = 0.0;
        running_output[i] = vec4(0.0);
    }

    uint parity = 0u;
    for (uint base = 0u; base <= last / BLOCK; base += GROUPS) {
        uint block_begin = (base + group) * BLOCK;
        uint position = block_begin + lane;
        bool is_present = position <= last;
        uint keys = (parity * GROUPS + group) * HEADS;
        uint next_keys = ((1u - parity) * GROUPS + group) * HEADS;

        // Scores: a lane is a position. Positions beyond the last are absent and read that one instead.
        float score[HEADS];
        float sum[HEADS];
        for (uint h = 0u; h < HEADS; h++) {
            score[h] = 0.0;
            sum[h] = 0.0;
        }
        for (uint start = 0u; start < cache_quads; start += SLAB) {
            // The slab before, or the outputs of a group, have been read.
            barrier();
            for (uint i = lane; i < BLOCK * SLAB; i += 64u) {
                uint slot = min(block_begin + i / SLAB, last);
                uint quad = min(start + i % SLAB, cache_quads - 1u);
                slab[(group * SLAB + i % SLAB) * SLAB_STRIDE + i / SLAB] = cache[slot * cache_quads + quad];
            }
            barrier();
            uint count = min(SLAB, cache_quads - start);
            for (uint i = 0u; i < count; i++) {
                vec4 k = slab[(group * SLAB + i) * SLAB_STRIDE + lane];
                for (uint h = 0u; h < HEADS; h++) {
                    vec4 x = queries[h * QUERY_QUADS + start + i];
                    float s = multiply_add(k.x, x.x, sum[h]);
                    s = multiply_add(k.y, x.y, s);
                    s = multiply_add(k.z, x.z, s);
                    sum[h] = multiply_add(k.w, x.w, s);
                }
            }
            // A chunk is a whole number of slabs.
            if ((start + SLAB) % CHUNK_QUADS == 0u || start + SLAB >= cache_quads) {
                for (uint h = 0u; h < HEADS; h++) {
                    score[h] += sum[h];
                    sum[h] = 0.0;
                }
            }
        }
        for (uint h = 0u; h < HEADS; h++) {
            score[h] = score[h] * scale;
            if (is_present) atomicMax(block_keys[keys + h], entry_key(score[h]));
        }
        barrier();

        for (uint h = 0u; h < HEADS; h++) {
            weights[(group * BLOCK + lane) * HEADS + h] = exponential(score[h] - shift_of(block_keys[keys + h]));
            if (lane == 0u) block_keys[next_keys + h] = 0u;
        }
        barrier();

        // Sums and outputs: a lane has a quad of dimensions, or two 64 apart. Absent positions are not read.
        float block_sum[HEADS];
        vec4 partial[HEADS * DIMENSIONS];
        for (uint h = 0u; h < HEADS; h++) block_sum[h] = 0.0;
        for (uint i = 0u; i < HEADS * DIMENSIONS; i++) partial[i] = vec4(0.0);
        uint count = block_begin > last ? 0u : min(last - block_begin + 1u, BLOCK);
        for (uint p = 0u; p < count; p++) {
            vec4 v[DIMENSIONS];
            for (uint d = 0u; d < DIMENSIONS; d++) {
                // Beyond the latent its last quad is read again; its outputs are never stored.
                v[d] = cache[(block_begin + p) * cache_quads + min(lane + d * 64u, latent_quads - 1u)];
            }
            for (uint h = 0u; h < HEADS; h++) {
                float weight = weights[(group * BLOCK + p) * HEADS + h];
                block_sum[h] += weight;
                for (uint d = 0u; d < DIMENSIONS; d++) {
                    partial[h * DIMENSIONS + d] = multiply_add(v[d], weight, partial[h * DIMENSIONS + d]);
                }
            }
        }
        if (lane == 0u) {
            for (uint h = 0u; h < HEADS; h++) block_sums[group * HEADS + h] = block_sum[h];
        }

        // Combination in ascending order, a block beyond the last left out. One group after another publishes its
        // outputs, of which all invocations combine their own.
        for (uint g = 0u; g < GROUPS; g++) {
            barrier();
#if GROUPS > 1
            if (group == g) {
                for (uint i = 0u; i < HEADS * DIMENSIONS; i++) slab[i * 64u + lane] = partial[i];
            }
            barrier();
#endif
            if ((base + g) * BLOCK > last) continue;
            for (uint i = 0u; i < OWN; i++) {
                // A row beyond the last repeats it and is never stored.
                uint output_row = min(i * GROUPS + group, OUTPUT_ROWS - 1u);
                uint h = output_row / DIMENSIONS;
#if GROUPS > 1
                vec4 o = slab[output_row * 64u + lane];
#else
                vec4 o = partial[i];
#endif
                bool is_first = base + g == 0u;
                uint block_key = block_keys[(parity * GROUPS + g) * HEADS + h];
                uint both = max(running_key[i], block_key);
                float a = part_factor(running_key[i], both);
                float b = part_factor(block_key, both);
                float l = block_sums[g * HEADS + h];
                running_key[i] = both;
                running_sum[i] = is_first ? l : running_sum[i] * a + l * b;
                running_output[i] = is_first ? o : running_output[i] * a + o * b;
            }
        }
        parity = 1u - parity;
    }

    for (uint i = 0u; i < OWN; i++) {
        uint output_row = i * GROUPS + group;
        uint head = first_head + output_row / DIMENSIONS;
        uint quad = output_row % DIMENSIONS * 64u + lane;
        if (output_row >= OUTPUT_ROWS || head >= head_count || quad >= latent_quads) continue;
        result[(row * head_count + head) * latent_quads + quad] = running_output[i] * reciprocal(running_sum[i]);
    }
}
