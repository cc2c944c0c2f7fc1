#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup a token, four channels an invocation and step, through texel views; widths divisible by 4.

#include "rows.glsl"

#pragma vkdyn variant(quads8, tile = 1x1x1, LANES = 8)
#pragma vkdyn variant(quads64, tile = 1x1x1, LANES = 64)

layout(local_size_x = LANES) in;

layout(constant_id = 0) const bool HAS_RESIDUAL = false;

layout(std430, binding = 0) readonly buffer Images { RowCount images; };
layout(binding = 1) uniform textureBuffer source;
layout(std430, binding = 2) readonly buffer Targets { uint targets[]; };
layout(binding = 3) uniform textureBuffer residual;
layout(std430, binding = 4) writeonly buffer Result { vec4 result[]; };

layout(push_constant) uniform Parameters {
    uint image_capacity;
    uint token_count;
    uint row_count;
    uint width;
};

void main() {
    uint image = gl_WorkGroupID.y;
    if (image >= min(images.count, image_capacity)) return;
    uint quad_count = width / 4u;
    uint token = image * token_count + gl_WorkGroupID.x;
    uint row = image * row_count + targets[token];
    for (uint i = gl_LocalInvocationID.x; i < quad_count; i += LANES) {
        vec4 value = texelFetch(source, int(row * quad_count + i));
        if (HAS_RESIDUAL) value += texelFetch(residual, int(token * quad_count + i));
        result[token * quad_count + i] = value;
    }
}
