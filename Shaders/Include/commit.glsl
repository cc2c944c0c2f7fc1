// The end of a round: keep the accepted drafts, add one token of the target's, drop the rest. Caches keep no token that
// was rejected, and the added token is in none of them yet. SequenceState.commit in Sequence.swift is its mirror.

void commit_round(uint accepted, uint token) {
    uint end = sequence.length_ + accepted + 1u;
    tokens[end - 1u] = token;
    sequence.accepted = accepted;
    sequence.emitted = accepted + 1u;
    sequence.length_ = end;
    sequence.verified = sequence.drafted;
    sequence.drafted = 0u;
    sequence.stopped = 0u;
    sequence.target_cached = min(sequence.target_cached, end - 1u);
    sequence.draft_cached = min(sequence.draft_cached, end - 1u);
}
