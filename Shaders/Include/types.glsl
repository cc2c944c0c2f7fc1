// Storage types, by number; `ElementType.shaderCode` has the same ones.

const uint TYPE_F32 = 0u;
const uint TYPE_F16 = 1u;
const uint TYPE_BF16 = 2u;
const uint TYPE_I8 = 3u;

// Elements of one word of a storage type.
uint word_depth(uint type) { return type == TYPE_F32 ? 1u : type == TYPE_I8 ? 4u : 2u; }
