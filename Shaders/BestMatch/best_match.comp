#version 450
#extension GL_GOOGLE_include_directive : require

// For GPUs, and for any width: 256 invocations share tiles of 16 · ROWS sources and 64 destinations, 16 channels deep,
// in shared memory. An invocation has the products of ROWS sources, 16 apart, with 4 destinations, 16 apart.

#include "rows.glsl"
#include "arithmetic.glsl"
#include "functions.glsl"

#pragma vkdyn optional(sets)
#pragma vkdyn variant(tiles16, tile = 16x1x1, ROWS = 1)
#pragma vkdyn variant(tiles64, tile = 64x1x1, ROWS = 4)

layout(local_size_x = 256) in;

layout(constant_id = 0) const bool HAS_SETS = false;
layout(constant_id = 10) const uint ROWS = 1u;

layout(std430, binding = 0) readonly buffer Images { RowCount images; };
layout(std430, binding = 1) readonly buffer Metric { float metric[]; };
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

const uint DEPTH = 16u;
const uint SOURCES = 16u * ROWS;
const uint DESTINATIONS = 64u;

// [channel][token]; a column more than tokens, so that the stores of neighbours fall into different banks.
shared float source_tile[DEPTH * (SOURCES + 1u)];
shared float destination_tile[DEPTH * (DESTINATIONS + 1u)];
// [source][column]
shared uint best_keys[SOURCES * 16u];
shared uint best_destinations[SOURCES * 16u];

void main() {
    uint lane = gl_LocalInvocationID.x;
    uint column = lane % 16u;
    uint line = lane / 16u;
    uint image = gl_WorkGroupID.y;
    uint first_source = gl_WorkGroupID.x * SOURCES;
    if (image >= min(images.count, image_capacity) || first_source >= source_count) return;
    uint image_start = image * token_count * width;

    uint best_key[ROWS];
    uint best_destination[ROWS];
    for (uint r = 0u; r < ROWS; r++) {
        best_key[r] = 0u;
        best_destination[r] = first_destination();
    }
    for (uint first = 0u; first < destination_count; first += DESTINATIONS) {
        float total[ROWS * 4u];
        for (uint i = 0u; i < unrolled(ROWS * 4u); i++) total[i] = 0.0;
        for (uint start = 0u; start < width; start += CHUNK) {
            uint end = min(start + CHUNK, width);
            float sum[ROWS * 4u];
            for (uint i = 0u; i < unrolled(ROWS * 4u); i++) sum[i] = 0.0;
            for (uint base = start; base < end; base += DEPTH) {
                uint depth = min(DEPTH, end - base);
                barrier();
                // A lane loads one channel of every sixteenth token.
                if (column < depth) {
                    for (uint i = line; i < SOURCES; i += 16u) {
                        source_tile[column * (SOURCES + 1u) + i] =
                            metric[image_start + source_token(first_source + i) * width + base + column];
                    }
                    for (uint i = line; i < DESTINATIONS; i += 16u) {
                        destination_tile[column * (DESTINATIONS + 1u) + i] =
                            metric[image_start + destination_token(first + i) * width + base + column];
                    }
                }
                barrier();
                for (uint k = 0u; k < depth; k++) {
                    float y[4];
                    for (uint c = 0u; c < unrolled(4u); c++) {
                        y[c] = destination_tile[k * (DESTINATIONS + 1u) + column + 16u * c];
                    }
                    for (uint r = 0u; r < unrolled(ROWS); r++) {
                        float x = source_tile[k * (SOURCES + 1u) + line + 16u * r];
                        for (uint c = 0u; c < unrolled(4u); c++) {
                            sum[r * 4u + c] = multiply_add(x, y[c], sum[r * 4u + c]);
                        }
                    }
                }
            }
            for (uint i = 0u; i < unrolled(ROWS * 4u); i++) total[i] += sum[i];
        }
        // A lane's destinations ascend: only a greater key replaces its best.
        for (uint r = 0u; r < ROWS; r++) {
            for (uint c = 0u; c < 4u; c++) {
                uint destination = first + column + 16u * c;
                uint key = order_key(total[r * 4u + c]);
                if (is_candidate(destination) && is_better(key, destination, best_key[r], best_destination[r])) {
                    best_key[r] = key;
                    best_destination[r] = destination;
                }
            }
        }
    }
    for (uint r = 0u; r < ROWS; r++) {
        best_keys[(line + 16u * r) * 16u + column] = best_key[r];
        best_destinations[(line + 16u * r) * 16u + column] = best_destination[r];
    }
    barrier();
    if (lane >= SOURCES || first_source + lane >= source_count) return;
    uint key = best_keys[lane * 16u];
    uint destination = best_destinations[lane * 16u];
    for (uint i = 1u; i < 16u; i++) {
        uint other_key = best_keys[lane * 16u + i];
        uint other = best_destinations[lane * 16u + i];
        if (is_better(other_key, other, key, destination)) {
            key = other_key;
            destination = other;
        }
    }
    store_match(image, first_source + lane, key, destination);
}
