// One stable pass of a counting sort by a workgroup, over items anywhere in memory; after scan.glsl. A radix sort makes
// one pass a digit, the lowest first. LANES is the workgroup's size and DIGIT_BITS the length of a digit.
//
// Each lane counts the digits of its own segment, the counters are summed in the order (digit, lane), and each lane
// walks its segment again: items of one digit keep their order, whatever the number of lanes. No atomics.

const uint DIGITS = 1u << DIGIT_BITS;

shared uint sort_counters[DIGITS * LANES];

// The kernel's own: the digit, below DIGITS, of the item that lies at a place before the pass; and its move to another
// place, which must not disturb what has not moved yet.
uint sort_digit(uint place);
void sort_move(uint from, uint to);

// Moves are seen by other lanes only after a barrier of the caller's.
void sort_pass(uint count) {
    uint lane = gl_LocalInvocationID.x;
    uvec2 segment = lane_segment(count);
    for (uint digit = 0u; digit < DIGITS; digit++) sort_counters[digit * LANES + lane] = 0u;
    for (uint place = segment.x; place < segment.y; place++) sort_counters[sort_digit(place) * LANES + lane] += 1u;
    barrier();
    // A lane sums as many counters in a row as there are digits.
    uint sum = 0u;
    for (uint i = lane * DIGITS; i < (lane + 1u) * DIGITS; i++) sum += sort_counters[i];
    uint total;
    uint before = exclusive_scan(sum, total);
    for (uint i = lane * DIGITS; i < (lane + 1u) * DIGITS; i++) {
        uint counted = sort_counters[i];
        sort_counters[i] = before;
        before += counted;
    }
    barrier();
    for (uint place = segment.x; place < segment.y; place++) {
        uint counter = sort_digit(place) * LANES + lane;
        uint to = sort_counters[counter];
        sort_counters[counter] = to + 1u;
        sort_move(place, to);
    }
}
