// The parameters of JoinHeads, and where an element of its result comes from.

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint head_count;
    uint first_size;
    uint second_size;
    uint stride;
    uint first_offset;
    uint second_offset;
};

// The column of the source for column i of the result.
uint source_column(uint i) {
    uint size = first_size + second_size;
    uint head = i / size;
    uint place = i % size;
    return place < first_size ? first_offset + head * first_size + place
                              : second_offset + head * second_size + place - first_size;
}
