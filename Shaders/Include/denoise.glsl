// One step of a diffusion sampler as a linear recurrence; the host writes it before the step.

struct DenoiseParameters {
    float timestep;       // what the net is told
    float input_scale;    // of the sample, where the net reads it
    float guidance;       // of the conditional output over the unconditional one
    float stored_sample;  // what is stored is stored_sample · sample + stored_output · output
    float stored_output;
    uint stored_slot;     // where in the history that goes, or NO_SLOT
    uint saved_slot;      // where the sample itself goes, or NO_SLOT
    float sample_weight;  // the next sample is sample_weight · sample + the terms below + noise_weight · noise
    float weight0;
    float weight1;
    float weight2;
    float weight3;
    uint slot0;
    uint slot1;
    uint slot2;
    uint slot3;
    float noise_weight;
};

// A slot of the history that is none.
const uint NO_SLOT = 0xFFFFFFFFu;
