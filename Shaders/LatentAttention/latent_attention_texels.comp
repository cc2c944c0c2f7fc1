#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_KHR_shader_subgroup_shuffle : require

// For CPU drivers: texel loads, and 8 lanes of one subgroup, on HEADS heads of a row. While scores are made, a lane has
// every eighth position of a block, and the queries, which all lanes need, are loaded once by one lane each and
// shuffled. While values are added, a lane has PART quads of dimensions at a time, 8 apart, and the weights are
// shuffled. What earlier blocks have given waits in shared memory, where each lane reads its own alone: in registers
// it would be more than the driver compiles in a minute.
//
// These drivers index arrays lane by lane, wherefore all loops over registers are unrolled.

#include "rows.glsl"
#include "arithmetic.glsl"
#include "functions.glsl"

#pragma vkdyn variant(texels_heads1, tile = 1x1x1, HEADS = 1)
#pragma vkdyn variant(texels_heads4, tile = 4x1x1, HEADS = 4)
#pragma vkdyn variant(texels_heads8, tile = 8x1x1, HEADS = 8)

layout(local_size_x = 8) in;

layout(constant_id = 10) const uint HEADS = 1u;

layout(binding = 2) uniform textureBuffer latent_queries;
layout(binding = 3) uniform textureBuffer rotary_queries;
layout(binding = 4) uniform textureBuffer cache;
layout(std430, binding = 5) writeonly buffer Result { vec4 result[]; };

#include "parameters.glsl"

const uint LANES = 8u;
// Positions of a lane: number s is 8 · s + lane of the block.
const uint SHARE = 8u;
// Quads of dimensions of a lane at a time, and positions of a step.
const uint PART = 4u;
const uint SPAN = 4u;
// The most quads of a latent: 512 dimensions.
const uint LATENT_QUADS = 128u;

// [head][quad]
shared vec4 running_output[HEADS * LATENT_QUADS];

// The texels at which the lane's positions begin.
uint key[SHARE];
// Of each head and each of the lane's positions: a chunk's sum and the chunks' sum, then the weight.
float sum[HEADS * SHARE];
float score[HEADS * SHARE];

// Adds the products of eight quads of dimensions or fewer, which the lanes hold in order.
void add_products(vec4 held[HEADS], uint quad, uint count) {
    uint i = 0u;
    do {
        vec4 x[HEADS];
        [[unroll]] for (uint h = 0u; h < HEADS; h++) {
            x[h] = vec4(subgroupShuffle(held[h].x, i), subgroupShuffle(held[h].y, i),
                        subgroupShuffle(held[h].z, i), subgroupShuffle(held[h].w, i));
        }
        UNROLL for (uint s = 0u; s < unrolled(SHARE); s++) {
            vec4 k = texelFetch(cache, int(key[s] + quad + i));
            UNROLL for (uint h = 0u; h < unrolled(HEADS); h++) {
                float value = multiply_add(k.x, x[h].x, sum[h * SHARE + s]);
                value = multiply_add(k.y, x[h].y, value);
                value = multiply_add(k.z, x[h].z, value);
                sum[h * SHARE + s] = multiply_add(k.w, x[h].w, value);
            }
        }
        i++;
    } while (i < count);
}

// Ends a chunk.
void add_chunk() {
    [[unroll]] for (uint i = 0u; i < HEADS * SHARE; i++) {
        score[i] += sum[i];
        sum[i] = 0.0;
    }
}

void main() {
    uint lane = gl_SubgroupInvocationID;
    uint row = gl_WorkGroupID.y;
    uint first_head = gl_WorkGroupID.x * HEADS;
    if (row >= min(rows.count, row_capacity)) return;
    uint last = last_of(row);
    uint latent_quads = latent_size / 4u;
    uint cache_quads = latent_quads + rotary_size / 4u;

    // A head beyond the last repeats it and is never stored.
    uint latent_query[HEADS];
    uint rotary_query[HEADS];
    [[unroll]] for (uint h = 0u; h < HEADS; h++) {
        uint head = min(first_head + h, head_count - 1u);
        latent_query[h] = (row * head_count + head) * latent_quads;
        rotary_query[h] = (row * rotary_stride + rotary_offset + head * rotary_size) / 4u;
    }

    uint running_key[HEADS];
    float running_sum[HEADS];
    [[unroll]] for (uint h = 0u; h < HEADS; h++) {
        running_key[h] = 0u;
        running_sum[h] = 0.0;
    }

    uint block_begin = 0u;
    do {
        // Scores. Positions beyond the last are absent and read that one instead.
        [[unroll]] for (uint s = 0u; s < SHARE; s++) {
            key[s] = min(block_begin + s * LANES + lane, last) * cache_quads;
        }
        [[unroll]] for (uint i = 0u; i < HEADS * SHARE; i++) {
            sum[i] = 0.0;
            score[i] = 0.0;
        }
        uint quad = 0u;
        do {
            uint end = min(quad + CHUNK_QUADS, latent_quads);
            do {
                vec4 held[HEADS];
                [[unroll]] for (uint h = 0u; h < HEADS; h++) {
                    held[h] = texelFetch(latent_queries, int(latent_query[h] + min(quad + lane, end - 1u)));
                }
                add_products(held, quad, min(end - quad, LANES));
                quad += LANES;
            } while (quad < end);
            quad = end;
            if (quad % CHUNK_QUADS == 0u) add_chunk();
        } while (quad < latent_quads);
        // The rotary part goes on in the chunk in which the latent one has ended.
        do {
            uint end = min((quad / CHUNK_QUADS + 1u) * CHUNK_QUADS, cache_quads);
            do {
                vec4 held[HEADS];
                [[unroll]] for (uint h = 0u; h < HEADS; h++) {
                    uint texel = min(quad + lane, end - 1u) - latent_quads;
                    held[h] = texelFetch(rotary_queries, int(rotary_query[h] + texel));
                }
                add_products(held, quad, min(end - quad, LANES));
                quad += LANES;
            } while (quad < end);
            quad = end;
            add_chunk();
        } while (quad < cache_quads);

        // Maxima, and weights in place of the scores.
        uint block_key[HEADS];
        [[unroll]] for (uint h = 0u; h < HEADS; h++) {
            uint maximum = 0u;
            [[unroll]] for (uint s = 0u; s < SHARE; s++) {
                float value = score[h * SHARE + s] * scale;
                score[h * SHARE + s] = value;
                maximum = max(maximum, block_begin + s * LANES + lane <= last ? entry_key(value) : 0u);
            }
            block_key[h] = subgroupMax(maximum);
            float shift = shift_of(block_key[h]);
            [[unroll]] for (uint s = 0u; s < SHARE; s++) {
                float weight = exponential(score[h * SHARE + s] - shift);
                score[h * SHARE + s] = block_begin + s * LANES + lane <= last ? weight : 0.0;
            }
        }

        // What the blocks so far and this one are multiplied by when they are combined.
        float a[HEADS];
        float b[HEADS];
        bool is_first = block_begin == 0u;
        [[unroll]] for (uint h = 0u; h < HEADS; h++) {
            uint both = max(running_key[h], block_key[h]);
            a[h] = part_factor(running_key[h], both);
            b[h] = part_factor(block_key[h], both);
            running_key[h] = both;
        }

        // Sums and outputs: parts of the dimensions one after another, in each the positions by groups of eight, one a
        // lane. All parts make the same sums.
        float block_sum[HEADS];
        uint last_group = min(last - block_begin, BLOCK - 1u) / LANES;
        uint first_quad = lane;
        do {
            vec4 partial[HEADS * PART];
            [[unroll]] for (uint h = 0u; h < HEADS; h++) block_sum[h] = 0.0;
            [[unroll]] for (uint i = 0u; i < HEADS * PART; i++) partial[i] = vec4(0.0);
            uint group = 0u;
            do {
                float weight[HEADS];
                [[unroll]] for (uint h = 0u; h < HEADS; h++) {
                    weight[h] = score[h * SHARE];
                    [[unroll]] for (uint s = 1u; s < SHARE; s++) {
                        weight[h] = group == s ? score[h * SHARE + s] : weight[h];
                    }
                }
                uint first = block_begin + group * LANES;
                uint i = 0u;
                do {
                    UNROLL for (uint n = 0u; n < unrolled(SPAN); n++) {
                        // An absent position is a weight and a value of +0. Sums that begin at +0 are never −0, and
                        // adding +0 changes no bit of theirs.
                        uint position = first + i + n;
                        uint value = min(position, last) * cache_quads;
                        vec4 v[PART];
                        [[unroll]] for (uint t = 0u; t < PART; t++) {
                            // Beyond the latent its last quad is read again; its outputs are never stored.
                            uint quad = min(first_quad + t * LANES, latent_quads - 1u);
                            v[t] = texelFetch(cache, int(value + quad));
                            v[t] = position <= last ? v[t] : vec4(0.0);
                        }
                        UNROLL for (uint h = 0u; h < unrolled(HEADS); h++) {
                            float w = subgroupShuffle(weight[h], i + n);
                            block_sum[h] += w;
                            UNROLL for (uint t = 0u; t < unrolled(PART); t++) {
                                partial[h * PART + t] = multiply_add(v[t], w, partial[h * PART + t]);
                            }
                        }
                    }
                    i += SPAN;
                } while (i < LANES && first + i <= last);
                group++;
            } while (group <= last_group);

            // Combination in ascending order of the blocks.
            [[unroll]] for (uint h = 0u; h < HEADS; h++) {
                [[unroll]] for (uint t = 0u; t < PART; t++) {
                    uint place = h * LATENT_QUADS + first_quad + t * LANES;
                    vec4 o = partial[h * PART + t];
                    running_output[place] = is_first ? o : running_output[place] * a[h] + o * b[h];
                }
            }
            first_quad += PART * LANES;
        } while (first_quad - lane < latent_quads);
        [[unroll]] for (uint h = 0u; h < HEADS; h++) {
            running_sum[h] = is_first ? block_sum[h] : running_sum[h] * a[h] + block_sum[h] * b[h];
        }
        block_begin += BLOCK;
    } while (block_begin <= last);

    [[unroll]] for (uint h = 0u; h < HEADS; h++) {
        if (first_head + h >= head_count) continue;
        float factor = reciprocal(running_sum[h]);
        uint start = (row * head_count + first_head + h) * latent_quads;
        for (uint quad = lane; quad < latent_quads; quad += LANES) {
            result[start + quad] = running_output[h * LATENT_QUADS + quad] * factor;
        }
    }
}
