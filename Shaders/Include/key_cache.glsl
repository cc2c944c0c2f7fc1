// How keys lie in a cache: [heads, capacity/64, quads of dimensions, 64, 4], so that neighbouring slots are neighbours.

// The texel of a slot's first four dimensions; the next four lie 64 texels on.
uint key_texel(uint head, uint slot, uint quad_count, uint capacity) {
    return (head * (capacity / 64u) + slot / 64u) * quad_count * 64u + slot % 64u;
}
