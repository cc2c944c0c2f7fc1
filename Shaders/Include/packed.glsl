// Reads a packed matrix through a view of raw words; PackedLayout.swift describes the layout and is the mirror.
//
// A texel is four columns, a word of it one column, and a word holds as many k's as fit: one of f32, two of f16 or bf16,
// four of int8, the lowest k in the lowest bits. The shader defines WEIGHTS_BINDING first and declares the binding
// `weights` typed.

#include "types.glsl"

layout(constant_id = 20) const uint WEIGHTS_TYPE = 0u;

layout(binding = WEIGHTS_BINDING) uniform utextureBuffer weights;

// The k's of one word.
uint word_depth() { return word_depth(WEIGHTS_TYPE); }

// Texels of one quad of columns.
uint word_rows(uint depth) { return (depth + word_depth() - 1u) / word_depth(); }

// Texels of a whole matrix.
uint matrix_texels(uint depth, uint quad_count) { return word_rows(depth) * quad_count; }

// Quads of the block in which a quad lies: its next k is as many texels on.
uint block_width(uint quad, uint quad_count) { return min(8u, quad_count - quad / 8u * 8u); }

// The texel of a quad's first k.
uint first_texel(uint quad, uint depth) { return quad / 8u * 8u * word_rows(depth) + quad % 8u; }

// Four columns of the k that is number `part` of its words.
vec4 widen(uvec4 words, uint part) {
    if (WEIGHTS_TYPE == TYPE_F16) {
        vec2 x = unpackHalf2x16(words.x);
        vec2 y = unpackHalf2x16(words.y);
        vec2 z = unpackHalf2x16(words.z);
        vec2 w = unpackHalf2x16(words.w);
        return part == 0u ? vec4(x.x, y.x, z.x, w.x) : vec4(x.y, y.y, z.y, w.y);
    }
    if (WEIGHTS_TYPE == TYPE_BF16) return uintBitsToFloat(part == 0u ? words << 16 : words & 0xFFFF0000u);
    if (WEIGHTS_TYPE == TYPE_I8) return vec4(ivec4(words << (24u - 8u * part)) >> 24);
    return uintBitsToFloat(words);
}

// Four columns of one k.
vec4 weight(uint first, uint width, uint k) {
    return widen(texelFetch(weights, int(first + k / word_depth() * width)), k % word_depth());
}

// Four columns of four consecutive k's, the first of which is a multiple of four and lies in `texel`.
void four_weights(uint texel, uint width, out vec4 w0, out vec4 w1, out vec4 w2, out vec4 w3) {
    uvec4 words = texelFetch(weights, int(texel));
    if (WEIGHTS_TYPE == TYPE_I8) {
        w0 = widen(words, 0u);
        w1 = widen(words, 1u);
        w2 = widen(words, 2u);
        w3 = widen(words, 3u);
    } else if (WEIGHTS_TYPE == TYPE_F32) {
        w0 = uintBitsToFloat(words);
        w1 = uintBitsToFloat(texelFetch(weights, int(texel + width)));
        w2 = uintBitsToFloat(texelFetch(weights, int(texel + 2u * width)));
        w3 = uintBitsToFloat(texelFetch(weights, int(texel + 3u * width)));
    } else {
        uvec4 next = texelFetch(weights, int(texel + width));
        w0 = widen(words, 0u);
        w1 = widen(words, 1u);
        w2 = widen(next, 0u);
        w3 = widen(next, 1u);
    }
}

// Texels from one group of four k's to the next.
uint four_step(uint width) { return 4u / word_depth() * width; }
