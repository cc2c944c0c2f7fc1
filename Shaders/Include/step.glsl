// What changes from step to step of a plan that is replayed; written by the host before each step.

struct StepParameters {
    uint step;       // counted from 0
    uint seed_low;
    uint seed_high;
};
