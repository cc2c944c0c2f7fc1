#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup: its first lane accepts, all of them draw.

#include "functions.glsl"
#include "sequence.glsl"
#include "sampling.glsl"
#include "choice.glsl"
#include "draw.glsl"

#pragma vkdyn optional(draft)
#pragma vkdyn variant(lanes256, tile = 1x1x1, LANES = 256)
#pragma vkdyn variant(lanes64, tile = 1x1x1, LANES = 64)
#pragma vkdyn variant(texels256, tile = 1x1x1, LANES = 256, TEXELS = 1)
#pragma vkdyn variant(texels64, tile = 1x1x1, LANES = 64, TEXELS = 1)

layout(local_size_x = LANES) in;

layout(constant_id = 0) const bool HAS_DRAFT = false;

layout(push_constant) uniform Parameters { uint width; };

layout(std430, binding = 0) buffer Sequence { SequenceState sequence; };
layout(std430, binding = 1) buffer Tokens { uint tokens[]; };
#ifdef TEXELS
layout(binding = 2) uniform textureBuffer target;
#else
layout(std430, binding = 2) readonly buffer Target { float target[]; };
#endif
layout(std430, binding = 3) readonly buffer Draft { float draft[]; };
layout(std430, binding = 4) readonly buffer Sampling { SamplingParameters sampling; };

#include "commit.glsl"

float target_at(uint row, uint index) {
#ifdef TEXELS
    return texelFetch(target, int(row * (width / 4u) + index / 4u))[index % 4u];
#else
    return target[row * width + index];
#endif
}

vec4 target_quad(uint row, uint quad) {
#ifdef TEXELS
    return texelFetch(target, int(row * (width / 4u) + quad));
#else
    vec4 p = vec4(uintBitsToFloat(QUIET_NAN));
    for (uint i = 0u; i < 4u; i++) {
        if (quad * 4u + i < width) p[i] = target[row * width + quad * 4u + i];
    }
    return p;
#endif
}

shared uint leading;
shared uint rejected_token;

uint drawn_row;
// Whether to draw from what the draft left over, or from the target itself.
bool is_residual;

float residual(float p, uint index) {
    if (!HAS_DRAFT) return index == rejected_token ? 0.0 : p;
    float q = draft[drawn_row * width + index];
    return p > q ? p - q : 0.0;
}

uvec4 draw_quad(uint quad) {
    vec4 p = target_quad(drawn_row, quad);
    uvec4 weights = uvec4(0u);
    for (uint i = 0u; i < 4u; i++) {
        uint index = quad * 4u + i;
        if (index < width) weights[i] = fixed_weight(is_residual ? residual(p[i], index) : p[i]);
    }
    return weights;
}

uvec4 choice_quad(uint row, uint quad) {
    vec4 p = target_quad(row, quad);
    return uvec4(choice_key(p.x), choice_key(p.y), choice_key(p.z), choice_key(p.w));
}

bool accepts(uint row, uint token, uint position) {
    if (token >= width) return false;
    float p = target_at(row, token);
    float u = float(random_words(sampling, STREAM_ACCEPT, position, 0u).x >> 8) * 5.9604644775390625e-08;
    if (!HAS_DRAFT) return u < p;
    return u * draft[row * width + token] < p;
}

void main() {
    uint length = sequence.length_;
    uint drafted = sequence.drafted;
    if (gl_LocalInvocationID.x == 0u) {
        uint row = 0u;
        while (row < drafted && accepts(row, tokens[length + row], length + row)) row += 1u;
        leading = row;
        rejected_token = row < drafted ? tokens[length + row] : NO_INDEX;
    }
    barrier();
    drawn_row = leading;
    uint fraction = random_words(sampling, STREAM_RESIDUAL, length + drawn_row, 0u).x >> 8;
    uint token = NO_INDEX;
    // The residual, if there is one, then the target.
    for (uint attempt = leading < drafted ? 0u : 1u; attempt < 2u && token == NO_INDEX; attempt++) {
        is_residual = attempt == 0u;
        token = first_exceeding((width + 3u) / 4u, fraction, true);
    }
    if (token == NO_INDEX) token = row_choice(drawn_row, width);
    if (gl_LocalInvocationID.x == 0u) commit_round(drawn_row, token);
}
