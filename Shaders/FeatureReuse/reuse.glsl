// What the variants of feature reuse share.

layout(constant_id = 0) const bool HAS_FRESH = false;

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(binding = 1) uniform textureBuffer cache;
layout(std430, binding = 2) readonly buffer Stamps { uint stamps[]; };
layout(std430, binding = 3) readonly buffer PlannedStamps { uint planned_stamps[]; };
layout(std430, binding = 5) buffer Error { FeatureError feature_error; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint width;
    uint feature;
    float cached_scale;
    float fresh_scale;
};

#include "feature_check.glsl"
