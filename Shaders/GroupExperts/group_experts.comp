#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup: a radix sort of the assignments by expert, which are in the order of rows before; then the places of
// those that stay. The sort moves assignments between `sources` and `positions`.

#include "rows.glsl"

// Short digits cost few counters, long ones few passes; a GPU wants lanes.
#pragma vkdyn variant(lanes8_bits4, tile = 1x1x1, LANES = 8, DIGIT_BITS = 4)
#pragma vkdyn variant(lanes8_bits8, tile = 1x1x1, LANES = 8, DIGIT_BITS = 8)
#pragma vkdyn variant(lanes128_bits4, tile = 1x1x1, LANES = 128, DIGIT_BITS = 4)

layout(local_size_x = LANES) in;

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(std430, binding = 1) readonly buffer Experts { uint experts[]; };
layout(std430, binding = 2) coherent buffer Sources { uint sources[]; };
layout(std430, binding = 3) coherent buffer Positions { uint positions[]; };
layout(std430, binding = 4) writeonly buffer Counts { uint counts[]; };
layout(std430, binding = 5) coherent buffer Offsets { uint offsets[]; };
layout(std430, binding = 6) writeonly buffer Grouped { RowCount grouped; };
layout(std430, binding = 7) writeonly buffer Dropped { uint dropped[]; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint k;
    uint expert_count;
    uint sequence_rows;
    uint expert_capacity;
    uint dropped_index;
};

#include "scan.glsl"
#include "sort.glsl"

const uint NO_POSITION = 0xFFFFFFFFu;

uint shift;
bool is_first;
bool to_sources;

// What is no expert goes behind all experts.
uint expert_of(uint assignment) { return min(experts[assignment], expert_count); }

// The rows of one sequence have one number.
uint sequence_of(uint assignment) { return sequence_rows == 0u ? 0u : assignment / k / sequence_rows; }

uint item(uint place) {
    if (is_first) return place;
    return to_sources ? positions[place] : sources[place];
}

uint sort_digit(uint place) { return (expert_of(item(place)) >> shift) & (DIGITS - 1u); }

void sort_move(uint from, uint to) {
    uint assignment = item(from);
    if (to_sources) {
        sources[to] = assignment;
    } else {
        positions[to] = assignment;
    }
}

// The first place in the sorted `sources` of an expert and a sequence, or of what comes after them.
uint lower_bound(uint count, uint expert, uint sequence) {
    uint first = 0u;
    uint last = count;
    while (first < last) {
        uint middle = (first + last) / 2u;
        uint assignment = sources[middle];
        uint other = expert_of(assignment);
        if (other < expert || (other == expert && sequence_of(assignment) < sequence)) {
            first = middle + 1u;
        } else {
            last = middle;
        }
    }
    return first;
}

void sort_assignments(uint count) {
    uint passes = (uint(findMSB(expert_count)) + DIGIT_BITS) / DIGIT_BITS;
    for (uint pass = 0u; pass < passes; pass++) {
        shift = pass * DIGIT_BITS;
        is_first = pass == 0u;
        to_sources = (passes - pass) % 2u == 1u;
        sort_pass(count);
        workgroup_buffer_barrier();
    }
}

// Numbers the assignments of the lane's segment that stay, from `position` on, and stores the numbers if asked to.
uint number_segment(uvec2 segment, uint count, uint position, bool stores) {
    uint expert = NO_POSITION;
    uint sequence = 0u;
    // Where the run of one expert and one sequence began.
    uint run = 0u;
    for (uint place = segment.x; place < segment.y; place++) {
        uint assignment = sources[place];
        uint own_expert = expert_of(assignment);
        uint own_sequence = sequence_of(assignment);
        if (own_expert != expert || own_sequence != sequence) {
            expert = own_expert;
            sequence = own_sequence;
            run = place == segment.x ? lower_bound(count, expert, sequence) : place;
        }
        bool stays = expert < expert_count && place - run < expert_capacity;
        if (stores) positions[assignment] = stays ? position : NO_POSITION;
        if (stays) position += 1u;
    }
    return position;
}

void main() {
    uint lane = gl_LocalInvocationID.x;
    uint count = min(rows.count, row_capacity) * k;
    sort_assignments(count);

    for (uint expert = lane; expert <= expert_count; expert += LANES) offsets[expert] = lower_bound(count, expert, 0u);
    workgroup_buffer_barrier();
    uint assigned = offsets[expert_count];
    for (uint expert = lane; expert < expert_count; expert += LANES) {
        counts[expert] = offsets[expert + 1u] - offsets[expert];
    }

    uvec2 segment = lane_segment(count);
    uint total;
    uint before = exclusive_scan(number_segment(segment, count, 0u, false), total);
    number_segment(segment, count, before, true);
    workgroup_buffer_barrier();

    // An expert's first assignment stays, unless none do.
    for (uint expert = lane; expert <= expert_count; expert += LANES) {
        uint place = offsets[expert];
        uint position = expert_capacity == 0u ? 0u : total;
        if (expert_capacity > 0u && place < assigned) position = positions[sources[place]];
        offsets[expert] = position;
    }
    workgroup_buffer_barrier();
    for (uint place = total + lane; place < count; place += LANES) sources[place] = NO_POSITION;
    for (uint assignment = lane; assignment < count; assignment += LANES) {
        uint position = positions[assignment];
        if (position != NO_POSITION) sources[position] = assignment;
    }
    if (lane == 0u) {
        grouped.count = total;
        grouped.capacity = row_capacity * k;
        grouped.overflow = 0u;
        dropped[dropped_index] = assigned - total;
    }
}
