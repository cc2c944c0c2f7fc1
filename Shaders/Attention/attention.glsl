// What the variants of attention share: which positions a row attends, where they lie, and how blocks combine.
//
// A variant declares the buffers, the push constants and HAS_ANCESTORS first.

// Logical positions of one block.
const uint BLOCK = 64u;
// The order key of −∞.
const uint NEGATIVE_INFINITY_KEY = 0x007FFFFFu;

// The first position that a row at `position` attends.
uint first_position(uint position) {
    return window == 0u || position + 1u <= window ? 0u : position + 1u - window;
}

// Where a position of a row lies in the caches.
uint slot_of(uint row, uint position) {
    uint slot = position;
    if (HAS_ANCESTORS) {
        uint base = ancestors[0];
        if (position >= base) slot = ancestors[1u + row * max_depth + min(position - base, max_depth - 1u)];
    }
    return min(slot, cache_capacity - 1u);
}

// The texel of a slot's first four key dimensions; the next four lie 64 texels on.
uint key_texel(uint kv_head, uint slot) {
    return (kv_head * (cache_capacity / 64u) + slot / 64u) * (head_size / 4u) * 64u + slot % 64u;
}

// What is subtracted from scores before the exponential: the maximum, or +0 when that is −∞.
float shift_of(uint key) { return key == NEGATIVE_INFINITY_KEY ? 0.0 : from_order_key(key); }

// e^(maximum of one part − maximum of both), by which the part's sum and output are multiplied.
float part_factor(uint part_key, uint both_key) { return exponential(from_order_key(part_key) - shift_of(both_key)); }
