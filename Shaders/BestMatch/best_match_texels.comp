#version 450
#extension GL_GOOGLE_include_directive : require

// For lavapipe: 8 lanes share SOURCES sources; a lane has their products with four destinations at a time, 8 apart,
// through a texel view. Widths divisible by 4.

#include "rows.glsl"
#include "arithmetic.glsl"
#include "functions.glsl"

#pragma vkdyn variant(texels4, tile = 4x1x1, SOURCES = 4)
#pragma vkdyn variant(texels8, tile = 8x1x1, SOURCES = 8)
#pragma vkdyn variant(texels16, tile = 16x1x1, SOURCES = 16)

layout(local_size_x = 8) in;

layout(constant_id = 0) const bool HAS_SETS = false;
layout(constant_id = 10) const uint SOURCES = 4u;

layout(std430, binding = 0) readonly buffer Images { RowCount images; };
layout(binding = 1) uniform textureBuffer metric;
layout(std430, binding = 2) readonly buffer Sets { uint sets[]; };
layout(std430, binding = 3) writeonly buffer Scores { float scores[]; };
layout(std430, binding = 4) writeonly buffer Matches { uint matches[]; };

layout(push_constant) uniform Parameters {
    uint image_capacity;
    uint token_count;
    uint source_count;
    uint destination_count;
    uint width;
    uint class_token;
    uint distillation_token;
};

#include "matching.glsl"

const uint LANES = 8u;

// [source][lane]
shared uint best_keys[SOURCES * LANES];
shared uint best_destinations[SOURCES * LANES];

void main() {
    uint lane = gl_LocalInvocationID.x;
    uint image = gl_WorkGroupID.y;
    uint first_source = gl_WorkGroupID.x * SOURCES;
    if (image >= min(images.count, image_capacity) || first_source >= source_count) return;
    uint texels = width / 4u;
    uint image_start = image * token_count * texels;

    uint source[SOURCES];
    uint best_key[SOURCES];
    uint best_destination[SOURCES];
    for (uint s = 0u; s < SOURCES; s++) {
        source[s] = image_start + source_token(first_source + s) * texels;
        best_key[s] = 0u;
        best_destination[s] = first_destination();
    }
    for (uint first = lane; first < destination_count + lane; first += 4u * LANES) {
        uint y0 = image_start + destination_token(first) * texels;
        uint y1 = image_start + destination_token(first + LANES) * texels;
        uint y2 = image_start + destination_token(first + 2u * LANES) * texels;
        uint y3 = image_start + destination_token(first + 3u * LANES) * texels;
        vec4 total[SOURCES];
        for (uint s = 0u; s < unrolled(SOURCES); s++) total[s] = vec4(0.0);
        for (uint start = 0u; start < texels; start += CHUNK / 4u) {
            uint end = min(start + CHUNK / 4u, texels);
            vec4 sum[SOURCES];
            for (uint s = 0u; s < unrolled(SOURCES); s++) sum[s] = vec4(0.0);
            for (uint t = start; t < end; t++) {
                vec4 d0 = texelFetch(metric, int(y0 + t));
                vec4 d1 = texelFetch(metric, int(y1 + t));
                vec4 d2 = texelFetch(metric, int(y2 + t));
                vec4 d3 = texelFetch(metric, int(y3 + t));
                for (uint s = 0u; s < unrolled(SOURCES); s++) {
                    vec4 x = texelFetch(metric, int(source[s] + t));
                    vec4 value = multiply_add(vec4(d0.x, d1.x, d2.x, d3.x), x.x, sum[s]);
                    value = multiply_add(vec4(d0.y, d1.y, d2.y, d3.y), x.y, value);
                    value = multiply_add(vec4(d0.z, d1.z, d2.z, d3.z), x.z, value);
                    sum[s] = multiply_add(vec4(d0.w, d1.w, d2.w, d3.w), x.w, value);
                }
            }
            for (uint s = 0u; s < unrolled(SOURCES); s++) total[s] += sum[s];
        }
        // A lane's destinations ascend: only a greater key replaces its best.
        for (uint s = 0u; s < SOURCES; s++) {
            for (uint c = 0u; c < 4u; c++) {
                uint destination = first + c * LANES;
                uint key = order_key(total[s][c]);
                bool replaces = is_candidate(destination)
                    && is_better(key, destination, best_key[s], best_destination[s]);
                best_key[s] = replaces ? key : best_key[s];
                best_destination[s] = replaces ? destination : best_destination[s];
            }
        }
    }
    for (uint s = 0u; s < SOURCES; s++) {
        best_keys[s * LANES + lane] = best_key[s];
        best_destinations[s * LANES + lane] = best_destination[s];
    }
    barrier();
    for (uint s = lane; s < min(source_count - first_source, SOURCES); s += LANES) {
        uint key = best_keys[s * LANES];
        uint destination = best_destinations[s * LANES];
        for (uint i = 1u; i < LANES; i++) {
            uint other_key = best_keys[s * LANES + i];
            uint other = best_destinations[s * LANES + i];
            if (is_better(other_key, other, key, destination)) {
                key = other_key;
                destination = other;
            }
        }
        store_match(image, first_source + s, key, destination);
    }
}
