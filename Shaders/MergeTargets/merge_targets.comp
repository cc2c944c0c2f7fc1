#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup an image. With a class token, a bit for each source says that it is kept; the kept ones below a source
// are counted in words of 32.

#include "rows.glsl"

#pragma vkdyn optional(sets)
#pragma vkdyn variant(lanes64, tile = 1x1x1, LANES = 64)
#pragma vkdyn variant(lanes256, tile = 1x1x1, LANES = 256)

layout(local_size_x = LANES) in;

layout(constant_id = 0) const bool HAS_SETS = false;

layout(std430, binding = 0) readonly buffer Images { RowCount images; };
layout(std430, binding = 1) readonly buffer Order { uint order[]; };
layout(std430, binding = 2) readonly buffer Matches { uint matches[]; };
layout(std430, binding = 3) readonly buffer Sets { uint sets[]; };
layout(std430, binding = 4) writeonly buffer Targets { uint targets[]; };

layout(push_constant) uniform Parameters {
    uint image_capacity;
    uint source_count;
    uint destination_count;
    uint merged_count;
    uint class_token;
    uint distillation_token;
};

const uint WORDS = 1024u;

shared uint kept_bits[WORDS];
shared uint class_rank;

// The rank of a source when the class token comes last, whatever it scored.
uint rank_of(uint place) {
    if (class_token == 0u) return place;
    return place == class_rank ? source_count - 1u : place - (place > class_rank ? 1u : 0u);
}

// The row of a kept source, or of a destination, by its number among them.
uint kept_row(uint number) { return number + (distillation_token != 0u && number > 0u ? 1u : 0u); }

uint destination_row(uint destination) {
    if (distillation_token != 0u && destination == 0u) return 1u;
    return source_count - merged_count + destination;
}

void main() {
    uint lane = gl_LocalInvocationID.x;
    uint image = gl_WorkGroupID.x;
    if (image >= min(images.count, image_capacity)) return;
    uint start = image * source_count;
    uint first_target = image * (source_count + destination_count);
    if (class_token != 0u) {
        for (uint word = lane; word < (source_count + 31u) / 32u; word += LANES) kept_bits[word] = 0u;
        for (uint place = lane; place < source_count; place += LANES) {
            if (order[start + place] == 0u) class_rank = place;
        }
        barrier();
        for (uint place = lane; place < source_count; place += LANES) {
            uint source = order[start + place];
            if (rank_of(place) >= merged_count) atomicOr(kept_bits[source / 32u], 1u << (source % 32u));
        }
        barrier();
    }
    for (uint place = lane; place < source_count; place += LANES) {
        uint source = order[start + place];
        uint rank = rank_of(place);
        uint row;
        if (rank < merged_count) {
            row = destination_row(matches[start + source]);
        } else if (class_token == 0u) {
            row = kept_row(rank - merged_count);
        } else {
            uint number = bitCount(kept_bits[source / 32u] & ((1u << (source % 32u)) - 1u));
            for (uint word = 0u; word < source / 32u; word++) number += bitCount(kept_bits[word]);
            row = kept_row(number);
        }
        targets[first_target + (HAS_SETS ? sets[source] : 2u * source)] = row;
    }
    for (uint destination = lane; destination < destination_count; destination += LANES) {
        uint token = HAS_SETS ? sets[source_count + destination] : 2u * destination + 1u;
        targets[first_target + token] = destination_row(destination);
    }
}
