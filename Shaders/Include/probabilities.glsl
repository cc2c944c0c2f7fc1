// Four probabilities of a row, NaN in place of those outside it; after functions.glsl and the parameter width.

#ifdef TEXELS
layout(binding = 1) uniform textureBuffer probabilities;
vec4 probability_quad(uint row, uint quad) { return texelFetch(probabilities, int(row * (width / 4u) + quad)); }
#else
layout(std430, binding = 1) readonly buffer Probabilities { float probabilities[]; };
vec4 probability_quad(uint row, uint quad) {
    uint column = quad * 4u;
    uint first = row * width + column;
    vec4 x = vec4(uintBitsToFloat(QUIET_NAN));
    x.x = probabilities[first];
    if (column + 1u < width) x.y = probabilities[first + 1u];
    if (column + 2u < width) x.z = probabilities[first + 2u];
    if (column + 3u < width) x.w = probabilities[first + 3u];
    return x;
}
#endif
