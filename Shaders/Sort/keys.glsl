// The buffers of a sort and its keys, ready for ascending order; after rows.glsl and functions.glsl.

layout(constant_id = 0) const bool KEYS_ARE_FLOATS = true;
layout(constant_id = 1) const bool DESCENDING = false;
layout(constant_id = 2) const bool HAS_COLUMNS = false;
layout(constant_id = 3) const bool HAS_RANKS = false;

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(std430, binding = 1) readonly buffer Keys { uint keys[]; };
layout(std430, binding = 2) readonly buffer Columns { RowCount columns[]; };
layout(std430, binding = 3) coherent buffer Order { uint order[]; };
layout(std430, binding = 4) coherent buffer Ranks { uint ranks[]; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint width;
};

uint key_count() { return HAS_COLUMNS ? min(columns[0].count, width) : width; }

uint sort_key(uint element) {
    uint key = keys[element];
    if (KEYS_ARE_FLOATS) key = choice_key(uintBitsToFloat(key));
    return DESCENDING ? ~key : key;
}
