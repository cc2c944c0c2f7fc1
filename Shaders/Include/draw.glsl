// The first index of a row whose cumulative weight exceeds a threshold: each round sums 256 contiguous segments of
// quads and goes on in the one where the sum crosses. After choice.glsl.

#include "prefix.glsl"

// The weights of a quad of indices, 0 for what lies outside the row; the kernel's own.
uvec4 draw_quad(uint quad);

// Sums `length` quads from `start` on into the bins, in segments.
void sum_segments(uint start, uint length, uint segment) {
    for (uint bin = gl_LocalInvocationID.x; bin < BINS; bin += LANES) {
        uvec2 sum = uvec2(0u);
        uint end = min((bin + 1u) * segment, length);
        for (uint i = bin * segment; i < end; i++) {
            uvec4 weights = draw_quad(start + i);
            for (uint j = 0u; j < 4u; j++) sum = wide_add(sum, uvec2(weights[j], 0u));
        }
        bin_low[bin] = sum.x;
        bin_high[bin] = sum.y;
    }
}

// The first index whose cumulative weight exceeds `value`, or `value` · 2^-24 of the total; NO_INDEX when the row
// weighs nothing. A plain value is below the total.
uint first_exceeding(uint quad_count, uint value, bool is_fraction) {
    uint start = 0u;
    uint length = quad_count;
    uvec2 threshold = uvec2(value, 0u);
    bool is_whole_row = true;
    while (true) {
        uint segment = (length + BINS - 1u) / BINS;
        sum_segments(start, length, segment);
        uvec2 total = sum_bins();
        if (is_whole_row) {
            if ((total.x | total.y) == 0u) return NO_INDEX;
            if (is_fraction) threshold = wide_scale(total, value);
            is_whole_row = false;
        }
        find_crossing(threshold);
        start += found_bin * segment;
        threshold = found_rest;
        if (segment == 1u) break;
        length = min(segment, length - found_bin * segment);
    }
    uvec4 weights = draw_quad(start);
    uint index = 0u;
    while (index < 3u && !wide_less(threshold, uvec2(weights[index], 0u))) {
        threshold = wide_subtract(threshold, uvec2(weights[index], 0u));
        index += 1u;
    }
    return start * 4u + index;
}
