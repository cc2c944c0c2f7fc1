// What the variants of feature concatenation share.

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(binding = 1) uniform textureBuffer cache;
layout(std430, binding = 2) readonly buffer Stamps { uint stamps[]; };
layout(std430, binding = 3) readonly buffer PlannedStamps { uint planned_stamps[]; };
layout(std430, binding = 5) buffer Error { FeatureError feature_error; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint cached_width;
    uint fresh_width;
    uint feature;
    uint fresh_first;
};

#include "feature_check.glsl"
