#version 450
#extension GL_GOOGLE_include_directive : require

#include "arithmetic.glsl"

#pragma vkdyn variant(default, tile = 1x1x1)

layout(local_size_x = 64) in;

layout(std430, binding = 0) readonly buffer Operands { float operands[]; };
layout(binding = 1) uniform textureBuffer halves;
layout(std430, binding = 2) writeonly buffer Sums { float sums[]; };
layout(std430, binding = 3) writeonly buffer Products { float products[]; };
layout(std430, binding = 4) writeonly buffer MultiplyAdds { float multiply_adds[]; };
layout(std430, binding = 5) writeonly buffer Widened { float widened[]; };
layout(std430, binding = 6) readonly buffer HalfWords { uint half_words[]; };
layout(std430, binding = 7) writeonly buffer Unpacked { float unpacked[]; };

layout(push_constant) uniform Parameters {
    uint count;
    uint half_quads;
};

void main() {
    for (uint i = gl_GlobalInvocationID.x; i < count; i += 64u) {
        float a = operands[3u * i];
        float b = operands[3u * i + 1u];
        float c = operands[3u * i + 2u];
        sums[i] = a + b;
        products[i] = a * b;
        multiply_adds[i] = multiply_add(a, b, c);
    }
    for (uint quad = gl_GlobalInvocationID.x; quad < half_quads; quad += 64u) {
        vec4 texel = texelFetch(halves, int(quad));
        for (uint i = 0u; i < 4u; i++) widened[4u * quad + i] = texel[i];
        for (uint i = 0u; i < 2u; i++) {
            vec2 pair = unpackHalf2x16(half_words[2u * quad + i]);
            unpacked[4u * quad + 2u * i] = pair.x;
            unpacked[4u * quad + 2u * i + 1u] = pair.y;
        }
    }
}
