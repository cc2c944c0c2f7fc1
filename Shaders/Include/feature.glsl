// What goes wrong with cached features: the lowest-numbered one that was reused with another stamp than planned.

struct FeatureError {
    uint flag;     // 1 after an error, until the host clears it
    uint feature;
    uint planned;  // the stamps, which are steps
    uint found;
};
