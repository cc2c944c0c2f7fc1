extension SequenceState {
    /// The mirror of `commit_round` in `commit.glsl`, which ends a round: the accepted drafts and one token of the
    /// target's are committed, the other drafts dropped, and rejected tokens leave both caches.
    mutating func commit(accepted count: UInt32, token: UInt32, tokens: UnsafeMutableBufferPointer<UInt32>) {
        let end = length + count + 1
        tokens[Int(end) - 1] = token
        accepted = count
        emitted = count + 1
        length = end
        verified = drafted
        drafted = 0
        stopped = 0
        targetCached = min(targetCached, end - 1)
        draftCached = min(draftCached, end - 1)
    }
}
