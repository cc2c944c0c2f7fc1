// Blocks of attention: their length, their maxima, and how they combine. AttentionBlocks.swift is the mirror.

// Logical positions of one block.
const uint BLOCK = 64u;
// The entry key of −∞.
const uint NEGATIVE_INFINITY_KEY = 0x00800000u;

// An entry key is a score's order key plus one, so that 0 is left for no entry at all. Keys are maximised.
uint entry_key(float score) { return order_key(score) + 1u; }

float maximum_of(uint key) { return from_order_key(key - 1u); }

// What is subtracted from scores before the exponential: the maximum, or +0 when that is −∞.
float shift_of(uint key) { return key == NEGATIVE_INFINITY_KEY ? 0.0 : maximum_of(key); }

// e^(maximum of one part − maximum of both), by which the part's sum and output are multiplied.
float part_factor(uint part_key, uint both_key) { return exponential(maximum_of(part_key) - shift_of(both_key)); }
