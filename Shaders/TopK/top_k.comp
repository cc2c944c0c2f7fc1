#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup a row, any width and k. The key of the last chosen is found by radix, eight bits a pass; the chosen are
// collected in ascending index and sorted, with the indices moving between the two results.

#include "rows.glsl"
#include "functions.glsl"
#include "wide.glsl"

#pragma vkdyn variant(select128, tile = 1x1x1, LANES = 128)
#pragma vkdyn variant(select16, tile = 1x1x1, LANES = 16)

layout(local_size_x = LANES) in;

const uint DIGIT_BITS = 4u;

#include "row.glsl"
#include "prefix.glsl"
#include "scan.glsl"
#include "sort.glsl"

uint start;
uint first_place;
uint shift;

uint element_key(uint index) { return choice_key(source[start + index * element_stride]); }

// Even passes move indices from `indices` to `largest`, odd ones back; there are eight.
uint item(uint place) {
    return (shift / DIGIT_BITS) % 2u == 0u ? indices[first_place + place] : largest[first_place + place];
}

// Descending: the largest key has the lowest digits.
uint sort_digit(uint place) { return (~element_key(item(place)) >> shift) & (DIGITS - 1u); }

void sort_move(uint from, uint to) {
    uint index = item(from);
    if ((shift / DIGIT_BITS) % 2u == 0u) {
        largest[first_place + to] = index;
    } else {
        indices[first_place + to] = index;
    }
}

// x: the key of the last chosen; y: how many of that key are chosen.
uvec2 find_cut(uint chosen_count) {
    uint cut = 0u;
    uvec2 threshold = uvec2(chosen_count - 1u, 0u);
    for (uint digit = 0u; digit < 4u; digit++) {
        uint digit_shift = 24u - 8u * digit;
        uint mask = digit == 0u ? 0u : 0xFFFFFFFFu << (digit_shift + 8u);
        clear_bins();
        for (uint i = gl_LocalInvocationID.x; i < width; i += LANES) {
            uint key = element_key(i);
            if ((key & mask) == (cut & mask)) add_to_bin(255u - ((key >> digit_shift) & 255u), 1u);
        }
        sum_bins();
        find_crossing(threshold);
        cut |= (255u - found_bin) << digit_shift;
        threshold = found_rest;
    }
    return uvec2(cut, threshold.x + 1u);
}

// Lays the chosen into `indices` in ascending index.
void collect(uvec2 cut) {
    uvec2 segment = lane_segment(width);
    uint above = 0u;
    uint tied = 0u;
    for (uint i = segment.x; i < segment.y; i++) {
        uint key = element_key(i);
        if (key > cut.x) above += 1u;
        if (key == cut.x) tied += 1u;
    }
    uint total;
    uint tied_before = exclusive_scan(tied, total);
    uint place = exclusive_scan(above, total) + min(tied_before, cut.y);
    for (uint i = segment.x; i < segment.y; i++) {
        uint key = element_key(i);
        bool is_tied = key == cut.x;
        if (key > cut.x || (is_tied && tied_before < cut.y)) {
            indices[first_place + place] = i;
            place += 1u;
        }
        if (is_tied) tied_before += 1u;
    }
}

void main() {
    uint row = gl_WorkGroupID.x;
    if (row >= min(rows.count, row_capacity)) return;
    uint lane = gl_LocalInvocationID.x;
    start = row_start(row);
    first_place = row * k;
    uint chosen_count = min(k, width);
    for (uint place = chosen_count + lane; place < k; place += LANES) store_choice(row, place, NO_INDEX, QUIET_NAN);
    if (chosen_count == 0u) return;
    if (chosen_count < width) {
        collect(find_cut(chosen_count));
    } else {
        for (uint i = lane; i < width; i += LANES) indices[first_place + i] = i;
    }
    workgroup_buffer_barrier();
    if (!INDEX_ORDER) {
        for (shift = 0u; shift < 32u; shift += DIGIT_BITS) {
            sort_pass(chosen_count);
            workgroup_buffer_barrier();
        }
    }
    for (uint place = lane; place < chosen_count; place += LANES) {
        uint index = indices[first_place + place];
        largest[first_place + place] = floatBitsToUint(source[start + index * element_stride]);
    }
}
