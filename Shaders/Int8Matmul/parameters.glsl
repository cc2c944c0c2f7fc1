// The buffers and push constants, one set for all variants.

#define WEIGHTS_BINDING 3
#define SCALES_BINDING 4

layout(constant_id = 0) const uint ACTIVATION = 0u;
layout(constant_id = 1) const bool HAS_BIAS = false;
layout(constant_id = 2) const bool HAS_RESIDUAL = false;

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(std430, binding = 2) readonly buffer SourceScales { float source_scales[]; };
layout(std430, binding = 5) readonly buffer Bias { float bias[]; };
layout(std430, binding = 6) readonly buffer Residual { float residual[]; };
layout(std430, binding = 7) writeonly buffer Result { float result[]; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint depth;
    uint columns;
    uint result_stride;
    uint result_offset;
    uint group_size;
};

// An int32 as f32, rounded once to nearest even: both parts convert exactly.
vec4 exact_float(ivec4 value) { return vec4(value >> 12) * 4096.0 + vec4(value & 0xFFF); }

