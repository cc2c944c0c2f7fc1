// What the variants of best match share: which tokens are sources and destinations, and how a best match is kept.
//
// A variant declares the sets, the push constants and HAS_SETS first.

// The order key of -infinity.
const uint NEGATIVE_INFINITY_KEY = 0x007FFFFFu;

// The token of a source, of the last one for those beyond the count: read in its place, and never stored.
uint source_token(uint source) {
    source = min(source, source_count - 1u);
    return HAS_SETS ? sets[source] : 2u * source;
}

// The token of a destination, of the last one for those beyond the count.
uint destination_token(uint destination) {
    destination = min(destination, destination_count - 1u);
    return HAS_SETS ? sets[source_count + destination] : 2u * destination + 1u;
}

// The first destination that may be matched.
uint first_destination() { return distillation_token != 0u ? 1u : 0u; }

bool is_candidate(uint destination) { return destination >= first_destination() && destination < destination_count; }

// Whether one pair of (key, destination) comes before another: the greater key, the lower destination for ties.
bool is_better(uint key, uint destination, uint other_key, uint other_destination) {
    return key > other_key || (key == other_key && destination < other_destination);
}

void store_match(uint image, uint source, uint key, uint destination) {
    bool has_match = first_destination() < destination_count && !(class_token != 0u && source == 0u);
    uint index = image * source_count + source;
    scores[index] = from_order_key(has_match ? key : NEGATIVE_INFINITY_KEY);
    matches[index] = has_match ? destination : 0u;
}
