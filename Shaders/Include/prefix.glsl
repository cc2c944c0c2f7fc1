// Where a cumulative sum of 64-bit weights first exceeds a threshold. Sums are of integers, hence exact in any order.
// LANES is the workgroup's size; all functions are called in uniform control flow.

const uint BINS = 256u;
const uint PARTS = 16u;

shared uint bin_low[BINS];
shared uint bin_high[BINS];
shared uvec2 part_sum[PARTS];
shared uint found_bin;
shared uvec2 found_rest;

void clear_bins() {
    for (uint bin = gl_LocalInvocationID.x; bin < BINS; bin += LANES) {
        bin_low[bin] = 0u;
        bin_high[bin] = 0u;
    }
    barrier();
}

// Lanes may add to one bin at once: the value before the addition tells which of them carries.
void add_to_bin(uint bin, uint weight) {
    uint before = atomicAdd(bin_low[bin], weight);
    if (before + weight < before) atomicAdd(bin_high[bin], 1u);
}

uvec2 bin_sum(uint bin) { return uvec2(bin_low[bin], bin_high[bin]); }

// The sum of all bins; find_crossing needs it to have run.
uvec2 sum_bins() {
    barrier();
    uint lane = gl_LocalInvocationID.x;
    if (lane < PARTS) {
        uvec2 sum = uvec2(0u);
        for (uint i = 0u; i < BINS / PARTS; i++) sum = wide_add(sum, bin_sum(lane * (BINS / PARTS) + i));
        part_sum[lane] = sum;
    }
    barrier();
    uvec2 total = uvec2(0u);
    for (uint i = 0u; i < PARTS; i++) total = wide_add(total, part_sum[i]);
    return total;
}

// found_bin: the first bin up to which the sum exceeds the threshold; found_rest: the threshold less the sum before it.
// The threshold is below the sum of all bins.
void find_crossing(uvec2 threshold) {
    if (gl_LocalInvocationID.x == 0u) {
        uint part = 0u;
        while (part < PARTS - 1u && !wide_less(threshold, part_sum[part])) {
            threshold = wide_subtract(threshold, part_sum[part]);
            part += 1u;
        }
        uint bin = part * (BINS / PARTS);
        uint last = bin + BINS / PARTS - 1u;
        while (bin < last && !wide_less(threshold, bin_sum(bin))) {
            threshold = wide_subtract(threshold, bin_sum(bin));
            bin += 1u;
        }
        found_bin = bin;
        found_rest = threshold;
    }
    barrier();
}
