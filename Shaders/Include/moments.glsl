// Means and squared differences of a channel over a block of pixels; GroupMoments.swift is the mirror.

// Pixels of a block.
const uint MOMENT_PIXELS = 64u;

uint moment_blocks(uint pixels) { return (pixels + MOMENT_PIXELS - 1u) / MOMENT_PIXELS; }

// Pixels of one block.
uint moment_count(uint block, uint pixels) { return min(MOMENT_PIXELS, pixels - block * MOMENT_PIXELS); }

// Where the means of a block's channels begin; their squared differences follow.
uint moment_place(uint image, uint block, uint pixels, uint channels) {
    return (image * moment_blocks(pixels) + block) * 2u * channels;
}
