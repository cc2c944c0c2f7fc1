#version 450
#extension GL_GOOGLE_include_directive : require

#include "rows.glsl"

layout(local_size_x = 64) in;

// One indirect dispatch: its workgroups when every row of the capacity is present, the axis along which the rows run
// (3: none) and the rows that one workgroup covers.
struct DispatchEntry {
    uint x;
    uint y;
    uint z;
    uint axis;
    uint tile;
};

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(std430, binding = 1) readonly buffer Entries { DispatchEntry entries[]; };
layout(std430, binding = 2) writeonly buffer Arguments { uint arguments[]; };

layout(push_constant) uniform Parameters { uint entry_count; };

void main() {
    uint entry = gl_GlobalInvocationID.x;
    if (entry >= entry_count) return;
    uint count = min(rows.count, rows.capacity);
    uint axis = entries[entry].axis;
    uint tile = max(entries[entry].tile, 1u);
    uint groups = count / tile + (count % tile != 0u ? 1u : 0u);
    uint x = axis == 0u ? groups : entries[entry].x;
    uint y = axis == 1u ? groups : entries[entry].y;
    uint z = axis == 2u ? groups : entries[entry].z;
    arguments[entry * 3u] = count == 0u ? 0u : x;
    arguments[entry * 3u + 1u] = count == 0u ? 0u : y;
    arguments[entry * 3u + 2u] = count == 0u ? 0u : z;
}
