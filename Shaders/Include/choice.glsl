// The index of a workgroup's largest key, the lowest one for ties: exact in any order. Choice.swift is its mirror.
// After functions.glsl; LANES is the workgroup's size, a power of two.

const uint NEGATIVE_INFINITY_KEY = 0x007FFFFFu;
const uint NO_INDEX = 0xFFFFFFFFu;

shared uint choice_keys[LANES];
shared uint choice_indices[LANES];

// Takes one pair of every lane, in uniform control flow; gives all lanes the winning pair (key, index).
uvec2 workgroup_choice(uint key, uint index) {
    uint lane = gl_LocalInvocationID.x;
    choice_keys[lane] = key;
    choice_indices[lane] = index;
    barrier();
    for (uint stride = LANES / 2u; stride > 0u; stride >>= 1) {
        if (lane < stride) {
            uint other_key = choice_keys[lane + stride];
            uint other_index = choice_indices[lane + stride];
            if (other_key > choice_keys[lane]
                || (other_key == choice_keys[lane] && other_index < choice_indices[lane])) {
                choice_keys[lane] = other_key;
                choice_indices[lane] = other_index;
            }
        }
        barrier();
    }
    uvec2 best = uvec2(choice_keys[0], choice_indices[0]);
    barrier();
    return best;
}

// The winning index of a row, whose quads `choice_quad` gives as keys; 0 for an empty row.
uvec4 choice_quad(uint row, uint quad);

uint row_choice(uint row, uint width) {
    uint quad_count = (width + 3u) / 4u;
    uint key = 0u;
    uint index = NO_INDEX;
    // Ascending indices: only a greater key replaces the lane's best, so ties keep the lowest.
    for (uint quad = gl_LocalInvocationID.x; quad < quad_count; quad += LANES) {
        uvec4 keys = choice_quad(row, quad);
        for (uint i = 0u; i < 4u; i++) {
            if (keys[i] > key || index == NO_INDEX) {
                key = keys[i];
                index = quad * 4u + i;
            }
        }
    }
    uint best = workgroup_choice(key, index).y;
    return best == NO_INDEX ? 0u : best;
}
