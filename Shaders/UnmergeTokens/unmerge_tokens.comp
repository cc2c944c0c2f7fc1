#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup a token, one channel an invocation and step; any width.

#include "rows.glsl"

#pragma vkdyn optional(residual)
#pragma vkdyn variant(scalars, tile = 1x1x1)

layout(local_size_x = 64) in;

layout(constant_id = 0) const bool HAS_RESIDUAL = false;

layout(std430, binding = 0) readonly buffer Images { RowCount images; };
layout(std430, binding = 1) readonly buffer Source { float source[]; };
layout(std430, binding = 2) readonly buffer Targets { uint targets[]; };
layout(std430, binding = 3) readonly buffer Residual { float residual[]; };
layout(std430, binding = 4) writeonly buffer Result { float result[]; };

layout(push_constant) uniform Parameters {
    uint image_capacity;
    uint token_count;
    uint row_count;
    uint width;
};

void main() {
    uint image = gl_WorkGroupID.y;
    if (image >= min(images.count, image_capacity)) return;
    uint token = image * token_count + gl_WorkGroupID.x;
    uint row = image * row_count + targets[token];
    for (uint i = gl_LocalInvocationID.x; i < width; i += 64u) {
        float value = source[row * width + i];
        if (HAS_RESIDUAL) value += residual[token * width + i];
        result[token * width + i] = value;
    }
}
