// Four logits of a row, NaN in place of those outside it; after functions.glsl and the parameter width.

#ifdef TEXELS
layout(binding = 1) uniform textureBuffer logits;
vec4 logit_quad(uint row, uint quad) { return texelFetch(logits, int(row * (width / 4u) + quad)); }
#else
layout(std430, binding = 1) readonly buffer Logits { float logits[]; };
vec4 logit_quad(uint row, uint quad) {
    uint column = quad * 4u;
    uint first = row * width + column;
    vec4 x = vec4(uintBitsToFloat(QUIET_NAN));
    x.x = logits[first];
    if (column + 1u < width) x.y = logits[first + 1u];
    if (column + 2u < width) x.z = logits[first + 2u];
    if (column + 3u < width) x.w = logits[first + 3u];
    return x;
}
#endif
