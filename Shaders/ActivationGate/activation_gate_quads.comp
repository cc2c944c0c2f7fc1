#version 450
#extension GL_GOOGLE_include_directive : require

// One or more whole rows a workgroup, four elements an invocation and step, through a texel view; widths divisible by 4.

#include "rows.glsl"
#include "activation.glsl"

#pragma vkdyn variant(quads1, tile = 1x16777216x1, ROWS = 1)
#pragma vkdyn variant(quads4, tile = 4x16777216x1, ROWS = 4)

layout(local_size_x = 64) in;

layout(constant_id = 0) const uint ACTIVATION = 0u;
layout(constant_id = 10) const uint ROWS = 1u;

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(binding = 1) uniform textureBuffer source;
layout(std430, binding = 2) writeonly buffer Result { vec4 result[]; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint width;
};

void main() {
    uint row_count = min(rows.count, row_capacity);
    uint quad_count = width / 4u;
    uint first_row = gl_WorkGroupID.x * ROWS;
    uint end = min(first_row + ROWS, row_count) * quad_count;
    for (uint i = first_row * quad_count + gl_LocalInvocationID.x; i < end; i += 64u) {
        // The gate of row r begins at quad 2·r·quad_count, one row's quads further than the result.
        uint gate = i + (i / quad_count) * quad_count;
        vec4 x = texelFetch(source, int(gate));
        vec4 up = texelFetch(source, int(gate + quad_count));
        result[i] = vec4(activate(x.x, ACTIVATION), activate(x.y, ACTIVATION), activate(x.z, ACTIVATION),
                         activate(x.w, ACTIVATION)) * up;
    }
}
