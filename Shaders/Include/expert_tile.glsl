// Positions first ..< first + count of one expert.

struct ExpertTile {
    uint expert;
    uint first;
    uint count;
};
