// Four components of a row of a table; f32 and f16 are widened by the device, bf16 is raw bits.

#ifdef TABLE_BITS
layout(binding = 2) uniform utextureBuffer table;
layout(binding = 4) uniform utextureBuffer position_table;
vec4 table_texel(uint index) { return uintBitsToFloat(texelFetch(table, int(index)) << 16); }
vec4 position_texel(uint index) { return uintBitsToFloat(texelFetch(position_table, int(index)) << 16); }
#else
layout(binding = 2) uniform textureBuffer table;
layout(binding = 4) uniform textureBuffer position_table;
vec4 table_texel(uint index) { return texelFetch(table, int(index)); }
vec4 position_texel(uint index) { return texelFetch(position_table, int(index)); }
#endif
