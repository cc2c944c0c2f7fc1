// How tokens are drawn. Sampling.swift is the mirror of what follows the structure.

#include "philox.glsl"
#include "wide.glsl"

struct SamplingParameters {
    float temperature;  // above 0; greedy decoding records no sampling kernel
    uint top_k;         // 0: off
    float top_p;        // 1 or more: off
    uint seed_low;
    uint seed_high;
    float confidence;   // drafting stops after a token less probable than this
};

// Streams of random numbers, so that no two decisions about one position share a number.
const uint STREAM_SAMPLE = 0u;
const uint STREAM_ACCEPT = 2u;
const uint STREAM_RESIDUAL = 3u;
const uint STREAM_MATCHING = 4u;

// Words for token or item indices 4·quad … 4·quad + 3 at an absolute position in the sequence.
uvec4 random_words(SamplingParameters sampling, uint stream, uint position, uint quad) {
    return philox(uvec2(sampling.seed_low, sampling.seed_high), uvec4(quad, position, stream, 0u));
}

// floor(p · 2^30) for p in [0, 1], more being taken for 1; 0 for NaN and less. Sums of these are exact in any order.
uint fixed_weight(float p) {
    if (p >= 1.0) return 0x40000000u;
    return p > 0.0 ? uint(p * 1073741824.0) : 0u;
}
