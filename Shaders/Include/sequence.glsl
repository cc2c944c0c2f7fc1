// Where one sequence stands in its rounds of drafting and verifying. Counts are of tokens. The underscore, which
// Swift does not see, is there because GLSL takes .length for its method.

struct SequenceState {
    uint length_;        // committed tokens
    uint drafted;        // draft tokens, at tokens[length] and after
    uint target_cached;  // tokens in the target's key-value cache
    uint draft_cached;   // tokens in the draft's
    uint accepted;       // drafts that the last round accepted
    uint emitted;        // tokens that the last round committed
    uint stopped;        // drafting stopped early in this round
    uint verified;       // drafts that the last round verified
};
