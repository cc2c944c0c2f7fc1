#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup a row of at most 1024 elements: each counts the keys that come before its own, and so knows whether it
// is chosen and where it goes.

#include "rows.glsl"
#include "functions.glsl"

#pragma vkdyn variant(count64, tile = 1x1x1, LANES = 64)
#pragma vkdyn variant(count256, tile = 1x1x1, LANES = 256)

layout(local_size_x = LANES) in;

#include "row.glsl"

const uint WIDEST = 1024u;

shared uint row_keys[WIDEST];
shared uint chosen[WIDEST];

void main() {
    uint row = gl_WorkGroupID.x;
    if (row >= min(rows.count, row_capacity)) return;
    uint lane = gl_LocalInvocationID.x;
    uint start = row_start(row);
    for (uint i = lane; i < width; i += LANES) row_keys[i] = choice_key(source[start + i * element_stride]);
    barrier();
    uint chosen_count = min(k, width);
    for (uint i = lane; i < width; i += LANES) {
        uint key = row_keys[i];
        uint before = 0u;
        for (uint j = 0u; j < width; j++) {
            before += row_keys[j] > key || (row_keys[j] == key && j < i) ? 1u : 0u;
        }
        if (before < chosen_count) chosen[before] = i;
    }
    barrier();
    for (uint rank = lane; rank < k; rank += LANES) {
        if (rank >= chosen_count) {
            store_choice(row, rank, NO_INDEX, QUIET_NAN);
            continue;
        }
        uint index = chosen[rank];
        uint place = rank;
        if (INDEX_ORDER) {
            place = 0u;
            for (uint other = 0u; other < chosen_count; other++) place += chosen[other] < index ? 1u : 0u;
        }
        store_choice(row, place, index, floatBitsToUint(source[start + index * element_stride]));
    }
}
