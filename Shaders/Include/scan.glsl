// Exclusive prefix sums of u32 over a workgroup, modulo 2^32 and hence exact in any order. LANES is the workgroup's
// size, a power of two; all functions are called in uniform control flow.
//
// Data of any length goes in ascending chunks, one a lane: each lane adds up what lies in its segment, one scan tells
// what lies before it, and the lane walks its segment again with the running sum.

shared uint scan_lanes[LANES];

// The sum of the lower lanes' values; `total` is the sum of all.
uint exclusive_scan(uint value, out uint total) {
    uint lane = gl_LocalInvocationID.x;
    scan_lanes[lane] = value;
    barrier();
    for (uint distance = 1u; distance < LANES; distance <<= 1) {
        uint lower = lane >= distance ? scan_lanes[lane - distance] : 0u;
        barrier();
        scan_lanes[lane] += lower;
        barrier();
    }
    total = scan_lanes[LANES - 1u];
    uint before = scan_lanes[lane] - value;
    barrier();
    return before;
}

// The lane's own part of `count` items: from x up to y. Segments ascend with the lane.
uvec2 lane_segment(uint count) {
    uint length = (count + LANES - 1u) / LANES;
    uint first = min(gl_LocalInvocationID.x * length, count);
    return uvec2(first, min(first + length, count));
}

// Orders what the workgroup's lanes wrote to `coherent` buffers before against what they read from them after.
void workgroup_buffer_barrier() {
    // barrier() orders shared memory alone: the writers release buffers before it, and the readers acquire them after.
    memoryBarrierBuffer();
    barrier();
    memoryBarrierBuffer();
}
