#version 450
#extension GL_GOOGLE_include_directive : require

// One invocation a row: it keeps the best MOST elements in registers, in order, and puts each element in its place.
// Neighbouring columns are read together; rows are read through texel views where they can be.

#include "rows.glsl"
#include "functions.glsl"

#pragma vkdyn variant(texels8_k2, tile = 8x1x1, LANES = 8, MOST = 2, TEXELS = 1)
#pragma vkdyn variant(texels8_k8, tile = 8x1x1, LANES = 8, MOST = 8, TEXELS = 1)
#pragma vkdyn variant(lanes8_k2, tile = 8x1x1, LANES = 8, MOST = 2)
#pragma vkdyn variant(lanes8_k8, tile = 8x1x1, LANES = 8, MOST = 8)
#pragma vkdyn variant(lanes64_k8, tile = 64x1x1, LANES = 64, MOST = 8)

layout(local_size_x = LANES) in;

#include "row.glsl"

#ifdef TEXELS
float element(uint start, uint index) { return texelFetch(source, int((start + index) / 4u))[index % 4u]; }
#else
float element(uint start, uint index) { return source[start + index * element_stride]; }
#endif

// In descending order; a key of 0 is an empty place, and keys of elements are one more than choice_key.
uint best_keys[MOST];
uint best_indices[MOST];

// Indices come in ascending order: an element goes behind its equals.
void insert(float value, uint index) {
    uint key = choice_key(value) + 1u;
    for (uint i = 1u; i < MOST; i++) {
        uint place = MOST - i;
        bool moves = key > best_keys[place - 1u];
        bool enters = key > best_keys[place];
        best_indices[place] = moves ? best_indices[place - 1u] : enters ? index : best_indices[place];
        best_keys[place] = moves ? best_keys[place - 1u] : enters ? key : best_keys[place];
    }
    bool enters = key > best_keys[0];
    best_indices[0] = enters ? index : best_indices[0];
    best_keys[0] = enters ? key : best_keys[0];
}

void main() {
    uint row = gl_GlobalInvocationID.x;
    if (row >= min(rows.count, row_capacity)) return;
    uint start = row_start(row);
    for (uint i = 0u; i < MOST; i++) {
        best_keys[i] = 0u;
        best_indices[i] = NO_INDEX;
    }
#ifdef TEXELS
    for (uint quad = 0u; quad < width / 4u; quad++) {
        vec4 x = texelFetch(source, int(start / 4u + quad));
        for (uint i = 0u; i < 4u; i++) insert(x[i], quad * 4u + i);
    }
#else
    for (uint i = 0u; i < width; i++) insert(element(start, i), i);
#endif
    for (uint rank = 0u; rank < MOST; rank++) {
        if (rank >= k) break;
        uint index = best_indices[rank];
        uint place = rank;
        if (INDEX_ORDER) {
            // Empty places have the largest index and keep theirs.
            place = 0u;
            for (uint other = 0u; other < MOST; other++) {
                bool is_lower = best_indices[other] < index || (best_indices[other] == index && other < rank);
                place += other < k && is_lower ? 1u : 0u;
            }
        }
        uint bits = index == NO_INDEX ? QUIET_NAN : floatBitsToUint(element(start, index));
        store_choice(row, place, index, bits);
    }
}
