// The first index of a row whose cumulative weight exceeds a threshold, by halving the row 256-fold: each round sums
// 256 contiguous segments of quads and goes on in the one where the sum crosses.

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

uvec2 row_total(uint quad_count) {
    sum_segments(0u, quad_count, (quad_count + BINS - 1u) / BINS);
    return sum_bins();
}

// After row_total; the threshold is below what that gave.
uint first_exceeding(uint quad_count, uvec2 threshold) {
    uint start = 0u;
    uint length = quad_count;
    uint segment = (length + BINS - 1u) / BINS;
    find_crossing(threshold);
    while (segment > 1u) {
        start += found_bin * segment;
        length = min(segment, length - found_bin * segment);
        threshold = found_rest;
        segment = (length + BINS - 1u) / BINS;
        sum_segments(start, length, segment);
        sum_bins();
        find_crossing(threshold);
    }
    uint quad = start + found_bin;
    threshold = found_rest;
    uvec4 weights = draw_quad(quad);
    uint index = 0u;
    while (index < 3u && !wide_less(threshold, uvec2(weights[index], 0u))) {
        threshold = wide_subtract(threshold, uvec2(weights[index], 0u));
        index += 1u;
    }
    barrier();
    return quad * 4u + index;
}
