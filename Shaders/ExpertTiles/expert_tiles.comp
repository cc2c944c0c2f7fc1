#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup: each lane takes a segment of the experts.

#include "rows.glsl"
#include "expert_tile.glsl"

#pragma vkdyn variant(lanes64, tile = 1x1x1, LANES = 64)
#pragma vkdyn variant(lanes8, tile = 1x1x1, LANES = 8)

layout(local_size_x = LANES) in;

layout(std430, binding = 0) readonly buffer Offsets { uint offsets[]; };
layout(std430, binding = 1) writeonly buffer Tiles { ExpertTile tiles[]; };
layout(std430, binding = 2) writeonly buffer TileCount { RowCount tile_count; };

layout(push_constant) uniform Parameters {
    uint expert_count;
    uint tile_rows;
    uint tile_capacity;
};

#include "scan.glsl"

void main() {
    uvec2 segment = lane_segment(expert_count);
    uint own = 0u;
    for (uint expert = segment.x; expert < segment.y; expert++) {
        own += (offsets[expert + 1u] - offsets[expert] + tile_rows - 1u) / tile_rows;
    }
    uint total;
    uint tile = exclusive_scan(own, total);
    for (uint expert = segment.x; expert < segment.y; expert++) {
        uint end = offsets[expert + 1u];
        for (uint first = offsets[expert]; first < end; first += tile_rows) {
            if (tile < tile_capacity) {
                tiles[tile].expert = expert;
                tiles[tile].first = first;
                tiles[tile].count = min(end - first, tile_rows);
            }
            tile += 1u;
        }
    }
    if (gl_LocalInvocationID.x == 0u) {
        tile_count.count = min(total, tile_capacity);
        tile_count.capacity = tile_capacity;
        tile_count.overflow = total > tile_capacity ? 1u : 0u;
    }
}
