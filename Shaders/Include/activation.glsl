// Activations, by number; Activation.swift gives the numbers their names.

#include "functions.glsl"

const uint ACTIVATION_RELU = 1u;
const uint ACTIVATION_GELU_ERF = 2u;
const uint ACTIVATION_GELU_TANH = 3u;
const uint ACTIVATION_SILU = 4u;
const uint ACTIVATION_QUICK_GELU = 5u;

float activate(float x, uint activation) {
    switch (activation) {
    case ACTIVATION_RELU:
        // NaN passes through.
        return x < 0.0 ? 0.0 : x;
    case ACTIVATION_GELU_ERF:
        return (0.5 * x) * (1.0 + error_function(x * 0.70710677));
    case ACTIVATION_GELU_TANH:
        return (0.5 * x) * (1.0 + hyperbolic_tangent(0.7978846 * (x + 0.044715 * ((x * x) * x))));
    case ACTIVATION_SILU:
        return x * reciprocal(1.0 + exponential(-x));
    case ACTIVATION_QUICK_GELU:
        return x * reciprocal(1.0 + exponential(-1.702 * x));
    default:
        return x;
    }
}
