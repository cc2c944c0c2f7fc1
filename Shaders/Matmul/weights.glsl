// One texel of weights: four columns of one k. f32 and f16 are widened by the device; bf16 is raw bits.

#ifdef WEIGHT_BITS
layout(binding = 2) uniform utextureBuffer weights;
vec4 weight(uint index) { return uintBitsToFloat(texelFetch(weights, int(index)) << 16); }
#else
layout(binding = 2) uniform textureBuffer weights;
vec4 weight(uint index) { return texelFetch(weights, int(index)); }
#endif
