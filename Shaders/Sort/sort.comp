#version 450
#extension GL_GOOGLE_include_directive : require

// Each item counts the keys that come before its own, which gives its place. A workgroup takes a tile of a row's items,
// and the whole row passes through shared memory in tiles. Quadratic, but without passes: the faster way up to some
// thousand keys.

#include "rows.glsl"
#include "functions.glsl"

// CPU drivers read shared memory lane by lane: there a lane compares each key with eight of its own.
#pragma vkdyn optional(columns, ranks)
#pragma vkdyn variant(count256, tile = 1x256x1, LANES = 256, ITEMS = 1)
#pragma vkdyn variant(count8, tile = 1x64x1, LANES = 8, ITEMS = 8)

layout(local_size_x = LANES) in;

#include "keys.glsl"

const uint TILE = LANES * ITEMS;

shared uint tile_keys[TILE];

void main() {
    uint row = gl_WorkGroupID.x;
    uint own_tile = gl_WorkGroupID.y;
    uint count = key_count();
    if (row >= min(rows.count, row_capacity) || own_tile * TILE >= count) return;
    uint lane = gl_LocalInvocationID.x;
    uint start = row * width;
    uint own_keys[ITEMS];
    uint before[ITEMS];
    for (uint item = 0u; item < ITEMS; item++) {
        uint index = own_tile * TILE + item * LANES + lane;
        own_keys[item] = index < count ? sort_key(start + index) : 0u;
        before[item] = 0u;
    }
    for (uint tile = 0u; tile * TILE < count; tile++) {
        uint length = min(count - tile * TILE, TILE);
        barrier();
        for (uint i = lane; i < length; i += LANES) tile_keys[i] = sort_key(start + tile * TILE + i);
        barrier();
        if (tile == own_tile) {
            for (uint i = 0u; i < length; i++) {
                uint key = tile_keys[i];
                for (uint item = 0u; item < ITEMS; item++) {
                    bool is_lower = i < item * LANES + lane;
                    before[item] += key < own_keys[item] || (key == own_keys[item] && is_lower) ? 1u : 0u;
                }
            }
        } else if (tile < own_tile) {
            for (uint i = 0u; i < length; i++) {
                uint key = tile_keys[i];
                for (uint item = 0u; item < ITEMS; item++) before[item] += key <= own_keys[item] ? 1u : 0u;
            }
        } else {
            for (uint i = 0u; i < length; i++) {
                uint key = tile_keys[i];
                for (uint item = 0u; item < ITEMS; item++) before[item] += key < own_keys[item] ? 1u : 0u;
            }
        }
    }
    for (uint item = 0u; item < ITEMS; item++) {
        uint index = own_tile * TILE + item * LANES + lane;
        if (index < count) {
            order[start + before[item]] = index;
            if (HAS_RANKS) ranks[start + index] = before[item];
        }
    }
}
