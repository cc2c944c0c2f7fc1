#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup a row. The last token kept is found by radix over order keys, eight bits a pass, first by number
// (top-k), then by mass (top-p); an index decides among tokens of its key.

#include "rows.glsl"
#include "functions.glsl"
#include "sampling.glsl"
#include "choice.glsl"
#include "draw.glsl"

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
layout(std430, binding = 2) readonly buffer Sampling { SamplingParameters sampling; };
layout(std430, binding = 3) writeonly buffer Result { float result[]; };

uint row;
uint quad_count;
// 1 / temperature.
float factor;
// Kept are keys above the cut's, and those equal to it up to its index.
uint cut_key = 0u;
uint cut_index = NO_INDEX;
// The key among whose tokens an index decides.
uint tied_key;

vec4 scaled_quad(uint quad) { return logit_quad(row, quad) * factor; }

bool is_kept(uint key, uint index) { return key > cut_key || (key == cut_key && index <= cut_index); }

uvec4 choice_quad(uint row, uint quad) {
    vec4 x = scaled_quad(quad);
    return uvec4(choice_key(x.x), choice_key(x.y), choice_key(x.z), choice_key(x.w));
}

// Tokens of the tied key that an earlier cut removed come after those that are looked for.
uvec4 draw_quad(uint quad) {
    uvec4 keys = choice_quad(row, quad);
    uvec4 weights = uvec4(0u);
    for (uint i = 0u; i < 4u; i++) {
        uint index = quad * 4u + i;
        weights[i] = index < width && keys[i] == tied_key ? 1u : 0u;
    }
    return weights;
}

// Weight of a token relative to the row's largest; equal keys have equal weights.
uint token_weight(uint key, uint largest) {
    if (key == largest) return 0x40000000u;
    return fixed_weight(exponential(from_order_key(key) - from_order_key(largest)));
}

// Fills the bins with the kept tokens whose key begins as `cut` does above the digit at `shift`, largest digit first.
void fill_bins(uint cut, uint shift, bool by_mass, uint largest) {
    clear_bins();
    uint mask = shift == 24u ? 0u : 0xFFFFFFFFu << (shift + 8u);
    for (uint quad = gl_LocalInvocationID.x; quad < quad_count; quad += LANES) {
        uvec4 keys = choice_quad(row, quad);
        for (uint i = 0u; i < 4u; i++) {
            uint key = keys[i];
            uint index = quad * 4u + i;
            if (index >= width || (key & mask) != (cut & mask) || !is_kept(key, index)) continue;
            uint weight = by_mass ? token_weight(key, largest) : 1u;
            if (weight > 0u) add_to_bin(255u - ((key >> shift) & 255u), weight);
        }
    }
}

// floor(dividend / divisor), which fits a word, for a divisor of at least 1.
uint divide(uvec2 dividend, uint divisor) {
    uint quotient = 0u;
    for (int bit = 31; bit >= 0; bit--) {
        uint trial = quotient | (1u << uint(bit));
        uint high, low;
        umulExtended(trial, divisor, high, low);
        if (!wide_less(dividend, uvec2(low, high))) quotient = trial;
    }
    return quotient;
}

// Moves the cut to the last token in descending order before which the sum is below the target: a number of tokens,
// or a fraction of the mass in steps of 2^-24.
void cut_off(uint target, bool by_mass, uint largest) {
    uint cut = 0u;
    uvec2 threshold = uvec2(target - 1u, 0u);
    for (uint digit = 0u; digit < 4u; digit++) {
        uint shift = 24u - 8u * digit;
        fill_bins(cut, shift, by_mass, largest);
        uvec2 total = sum_bins();
        if (by_mass && digit == 0u) {
            // The largest integer below total · fraction.
            threshold = wide_scale(total, target);
            uint low, high;
            umulExtended(total.x, target, high, low);
            bool is_whole = (low & 0x00FFFFFFu) == 0u;
            if (is_whole && (threshold.x | threshold.y) != 0u) threshold = wide_subtract(threshold, uvec2(1u, 0u));
        }
        find_crossing(threshold);
        cut |= (255u - found_bin) << shift;
        threshold = found_rest;
    }
    uint weight = by_mass ? token_weight(cut, largest) : 1u;
    // Tokens of this key to keep, after the first.
    uint more = divide(threshold, weight);
    uint high, low;
    umulExtended(more, weight, high, low);
    uvec2 through = wide_add(uvec2(low, high), uvec2(weight, 0u));
    uint last = cut == cut_key ? cut_index : NO_INDEX;
    // Whether some of its tokens go; the same in all lanes.
    bool divides = wide_less(through, bin_sum(found_bin));
    barrier();
    if (divides) {
        tied_key = cut;
        last = first_exceeding(quad_count, more, false);
    }
    cut_key = cut;
    cut_index = last;
}

void main() {
    row = gl_WorkGroupID.x;
    if (row >= min(rows.count, row_capacity)) return;
    quad_count = (width + 3u) / 4u;
    factor = reciprocal(sampling.temperature);
    uint largest = 0u;
    if (sampling.top_p < 1.0) {
        for (uint quad = gl_LocalInvocationID.x; quad < quad_count; quad += LANES) {
            uvec4 keys = choice_quad(row, quad);
            largest = max(largest, max(max(keys.x, keys.y), max(keys.z, keys.w)));
        }
        largest = workgroup_choice(largest, 0u).x;
    }
    bool has_top_k = sampling.top_k > 0u && sampling.top_k < width;
    bool has_top_p = sampling.top_p < 1.0 && largest > NEGATIVE_INFINITY_KEY;
    uint fraction = has_top_p && sampling.top_p > 0.0 ? uint(sampling.top_p * 16777216.0) : 0u;
    // First by number, then by mass; a loop, so that the program holds the search once.
    for (uint pass = has_top_k ? 0u : 1u; pass < (has_top_p ? 2u : 1u); pass++) {
        cut_off(pass == 0u ? sampling.top_k : fraction, pass == 1u, largest);
    }
    for (uint quad = gl_LocalInvocationID.x; quad < quad_count; quad += LANES) {
        vec4 x = scaled_quad(quad);
        for (uint i = 0u; i < 4u; i++) {
            uint index = quad * 4u + i;
            uint key = choice_key(x[i]);
            bool stays = key > NEGATIVE_INFINITY_KEY && is_kept(key, index);
            if (index < width) result[row * width + index] = stays ? x[i] : uintBitsToFloat(0xFF800000u);
        }
    }
}
