// Whether a cached feature is of the planned step; one invocation of the call notes an error. After feature.glsl and
// the buffers stamps, planned_stamps and feature_error.

// The stamp of a feature that was never stored.
const uint NO_STAMP = 0xFFFFFFFFu;

bool is_planned(uint feature) {
    uint planned = planned_stamps[feature];
    uint found = stamps[feature];
    if (planned == found && found != NO_STAMP) return true;
    if (gl_WorkGroupID == uvec3(0u) && gl_LocalInvocationID == uvec3(0u)
        && (feature_error.flag == 0u || feature < feature_error.feature)) {
        feature_error.flag = 1u;
        feature_error.feature = feature;
        feature_error.planned = planned;
        feature_error.found = found;
    }
    return false;
}
