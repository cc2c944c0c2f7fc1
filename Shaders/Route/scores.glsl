// The buffers of a gate and the scores of its experts; after rows.glsl and functions.glsl.

layout(constant_id = 0) const uint SCORE = 0u;
layout(constant_id = 1) const uint GROUP_SCORE = 0u;
layout(constant_id = 2) const uint NORMALISATION = 0u;
layout(constant_id = 3) const bool HAS_BIAS = false;

const uint SCORE_SOFTMAX = 0u;
const uint GROUP_SCORE_TWO_LARGEST = 1u;
const uint NORMALISATION_NONE = 0u;
const uint NORMALISATION_SUM_AND_TINY = 2u;

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
#ifdef TEXELS
layout(binding = 1) uniform textureBuffer logits;
#else
layout(std430, binding = 1) readonly buffer Logits { float logits[]; };
#endif
layout(std430, binding = 2) readonly buffer Bias { float bias[]; };
layout(std430, binding = 3) writeonly buffer Experts { uint experts[]; };
layout(std430, binding = 4) writeonly buffer Weights { float weights[]; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint expert_count;
    uint k;
    uint group_count;
    uint kept_groups;
    float scale;
};

// Of the row's softmax: the largest logit, and 1 / Σ e^(logit - maximum).
float maximum;
float factor;

float expert_score(float logit) {
    bool is_softmax = SCORE == SCORE_SOFTMAX;
    float power = exponential(is_softmax ? logit - maximum : -logit);
    return is_softmax ? power * factor : reciprocal(1.0 + power);
}

// What an expert is chosen by: a key above 0.
uint candidate_key(float score, uint expert) {
    if (HAS_BIAS) score = score + bias[expert];
    return choice_key(score) + 1u;
}

// What a group is chosen by: its largest key, or its two largest scores' sum.
uint group_key(uint largest, uint second) {
    if (GROUP_SCORE != GROUP_SCORE_TWO_LARGEST || second == 0u) return largest;
    return choice_key(from_order_key(largest - 1u) + from_order_key(second - 1u)) + 1u;
}

// What a chosen score is multiplied by, given the sum of all chosen.
float normalisation(float sum) {
    if (NORMALISATION == NORMALISATION_NONE) return 1.0;
    return reciprocal(NORMALISATION == NORMALISATION_SUM_AND_TINY ? sum + 1e-20 : sum);
}
