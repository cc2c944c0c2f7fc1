// Tables through views of raw words, widened by their type; a table of int8 has scales.

#include "types.glsl"

layout(constant_id = 20) const uint TABLE_TYPE = 0u;
layout(constant_id = 21) const uint POSITION_TABLE_TYPE = 0u;

layout(binding = 2) uniform utextureBuffer table;
layout(binding = 3) uniform textureBuffer scales;
layout(binding = 5) uniform utextureBuffer position_table;

// Element number `part` of a word.
float widen(uint word, uint part, uint type) {
    if (type == TYPE_F16) return part == 0u ? unpackHalf2x16(word).x : unpackHalf2x16(word).y;
    if (type == TYPE_BF16) return uintBitsToFloat(part == 0u ? word << 16 : word & 0xFFFF0000u);
    if (type == TYPE_I8) return float(int(word << (24u - 8u * part)) >> 24);
    return uintBitsToFloat(word);
}

float table_word(uint word, uint part) { return widen(texelFetch(table, int(word / 4u))[word % 4u], part, TABLE_TYPE); }

float position_element(uint element) {
    uint depth = word_depth(POSITION_TABLE_TYPE);
    uint word = element / depth;
    return widen(texelFetch(position_table, int(word / 4u))[word % 4u], element % depth, POSITION_TABLE_TYPE);
}

// Elements 4·quad to 4·quad + 3 of a row of words, from the texel that holds them.
vec4 widen_quad(uvec4 texel, uint quad, uint type) {
    if (type == TYPE_F32) return uintBitsToFloat(texel);
    uvec2 words = quad % 2u == 0u ? texel.xy : texel.zw;
    return vec4(widen(words.x, 0u, type), widen(words.x, 1u, type), widen(words.y, 0u, type), widen(words.y, 1u, type));
}

vec4 table_quad(uint quad) {
    return widen_quad(texelFetch(table, int(quad / word_depth(TABLE_TYPE))), quad, TABLE_TYPE);
}

vec4 position_quad(uint quad) {
    return widen_quad(texelFetch(position_table, int(quad / word_depth(POSITION_TABLE_TYPE))), quad, POSITION_TABLE_TYPE);
}
