// Writes one row's keys and values; `load` reads four elements of the source.

vec4 load(uint element);

void append(uint row) {
    if (row >= min(rows.count, row_capacity)) return;
    uint slot = slots[row];
    if (slot >= cache_capacity) return;
    uint head_quads = head_size / 4u;
    for (uint i = gl_LocalInvocationID.x; i < kv_head_count * head_quads; i += 64u) {
        uint head = i / head_quads;
        uint quad = i % head_quads;
        uint element = row * stride + i * 4u;
        key_cache[((head * (cache_capacity / 64u) + slot / 64u) * head_quads + quad) * 64u + slot % 64u] =
            load(element + key_offset);
        value_cache[(head * cache_capacity + slot) * head_quads + quad] = load(element + value_offset);
    }
}
