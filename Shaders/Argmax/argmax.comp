#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup a row: strided lanes, then a tree.

#include "rows.glsl"
#include "functions.glsl"
#include "choice.glsl"

#pragma vkdyn variant(lanes256, tile = 1x1x1, LANES = 256)
#pragma vkdyn variant(lanes64, tile = 1x1x1, LANES = 64)
#pragma vkdyn variant(texels256, tile = 1x1x1, LANES = 256, TEXELS = 1)
#pragma vkdyn variant(texels64, tile = 1x1x1, LANES = 64, TEXELS = 1)

layout(local_size_x = LANES) in;

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint width;
};

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
#include "logits.glsl"
layout(std430, binding = 2) writeonly buffer Result { uint result[]; };

uvec4 choice_quad(uint row, uint quad) {
    vec4 x = logit_quad(row, quad);
    return uvec4(choice_key(x.x), choice_key(x.y), choice_key(x.z), choice_key(x.w));
}

void main() {
    uint row = gl_WorkGroupID.x;
    if (row >= min(rows.count, row_capacity)) return;
    uint index = row_choice(row, width);
    if (gl_LocalInvocationID.x == 0u) result[row] = index;
}
