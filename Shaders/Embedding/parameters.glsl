layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint width;
    uint group_size;
    uint position_offset;
    uint first_token;
    uint token_count;
};
