#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup a row: a radix sort, whose passes move the indices between `order` and `ranks`. Any width.

#include "rows.glsl"
#include "functions.glsl"

// CPU drivers pay by the lane and the pass, GPUs want lanes: long digits there, short ones here.
#pragma vkdyn optional(columns, ranks)
#pragma vkdyn variant(radix128, tile = 1x1073741824x1, LANES = 128, DIGIT_BITS = 4)
#pragma vkdyn variant(radix8, tile = 1x1073741824x1, LANES = 8, DIGIT_BITS = 8)

layout(local_size_x = LANES) in;

#include "keys.glsl"
#include "scan.glsl"
#include "sort.glsl"

uint start;
uint shift;

// The first pass takes the indices as they come; then odd passes read the ranks and write the order, even ones the
// other way round. Their number is even, so that the last one writes the order.
uint item(uint place) {
    if (shift == 0u) return place;
    return (shift / DIGIT_BITS) % 2u == 1u ? ranks[start + place] : order[start + place];
}

uint sort_digit(uint place) { return (sort_key(start + item(place)) >> shift) & (DIGITS - 1u); }

void sort_move(uint from, uint to) {
    uint index = item(from);
    if ((shift / DIGIT_BITS) % 2u == 1u) {
        order[start + to] = index;
    } else {
        ranks[start + to] = index;
    }
}

void main() {
    uint row = gl_WorkGroupID.x;
    if (row >= min(rows.count, row_capacity) || gl_WorkGroupID.y > 0u) return;
    start = row * width;
    uint count = key_count();
    for (shift = 0u; shift < 32u; shift += DIGIT_BITS) {
        sort_pass(count);
        workgroup_buffer_barrier();
    }
    uint lane = gl_LocalInvocationID.x;
    for (uint place = lane; place < count; place += LANES) ranks[start + order[start + place]] = place;
}
