// What the variants of attention share: the parameters, which positions a row attends, where they lie in the caches,
// what is added to their scores, and how blocks combine.
//
// A variant declares source, key_cache, value_cache, bias and result, which it may read as texels or from storage.

#include "attention_block.glsl"
#include "key_cache.glsl"

layout(constant_id = 0) const bool HAS_POSITIONS = false;
layout(constant_id = 1) const bool HAS_BIAS = false;
layout(constant_id = 2) const bool HAS_KEY_COUNTS = false;
layout(constant_id = 3) const bool HAS_ANCESTORS = false;

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(std430, binding = 1) readonly buffer Positions { uint positions[]; };
layout(std430, binding = 6) readonly buffer KeyCounts { uint key_counts[]; };
layout(std430, binding = 7) readonly buffer Ancestors { uint ancestors[]; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint sequence_rows;
    uint head_count;
    uint kv_head_count;
    uint head_size;
    uint value_size;
    uint source_stride;
    uint cache_capacity;
    float scale;
    uint key_count;
    uint key_count_stride;
    uint window;
    uint max_depth;
    // In elements of the bias, modulo 2^32.
    uint bias_offset;
    uint bias_sequence_stride;
    uint bias_head_stride;
    uint bias_row_stride;
    uint bias_position_stride;
    uint bias_key_stride;
};

// The positions that a row attends: lower ..< stop.
struct Range {
    uint lower;
    uint stop;
};

// A row's logical position; 0 where it has none.
uint position_of(uint row) { return HAS_POSITIONS ? positions[row] : 0u; }

Range range_of(uint sequence, uint position) {
    uint keys = HAS_KEY_COUNTS ? key_counts[sequence * key_count_stride] : key_count;
    if (!HAS_POSITIONS) return Range(0u, keys);
    return Range(window == 0u || position < window ? 0u : position - (window - 1u),
                 position < keys ? position + 1u : keys);
}

// Where a position of a row lies in its sequence's caches.
uint slot_of(uint sequence, uint row, uint position) {
    uint slot = position;
    if (HAS_ANCESTORS) {
        uint sequence_count = sequence_rows == 0u ? 1u : (row_capacity + sequence_rows - 1u) / sequence_rows;
        uint base = ancestors[sequence];
        if (position >= base) {
            slot = ancestors[sequence_count + row * max_depth + min(position - base, max_depth - 1u)];
        }
    }
    return min(slot, cache_capacity - 1u);
}

// The element of the bias for a row's position 0.
uint bias_start(uint sequence, uint head, uint row, uint position) {
    return bias_offset + sequence * bias_sequence_stride + head * bias_head_stride
        + (row - sequence * sequence_rows) * bias_row_stride + position * bias_position_stride;
}

bool is_negative_infinity(float x) { return floatBitsToUint(x) == 0xFF800000u; }

// The weight of an absent entry. Weights proper are +0 to 1 or NaN.
const float ABSENT = -1.0;

bool is_absent(float weight) { return weight < 0.0; }
