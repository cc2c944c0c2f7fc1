// The push constants, the epilogue's constants and where a tap lies, one set for all variants.

#define WEIGHTS_BINDING 2
#define SCALES_BINDING 3

layout(constant_id = 0) const uint ACTIVATION = 0u;
layout(constant_id = 1) const bool HAS_BIAS = false;
layout(constant_id = 2) const bool HAS_RESIDUAL = false;
layout(constant_id = 3) const bool HAS_SCALES = false;
// Whether groups are longer than a chunk, so that a group's sum outlives a chunk's.
layout(constant_id = 4) const bool LARGE_GROUPS = false;
layout(constant_id = 5) const bool HAS_IMAGE_BIAS = false;

layout(std430, binding = 0) readonly buffer Images { RowCount images; };
layout(binding = SCALES_BINDING) uniform textureBuffer scales;
layout(std430, binding = 4) readonly buffer Bias { float bias[]; };
layout(std430, binding = 5) readonly buffer ImageBias { float image_bias[]; };
layout(std430, binding = 6) readonly buffer Residual { float residual[]; };
layout(std430, binding = 7) writeonly buffer Result { float result[]; };

layout(push_constant) uniform Parameters {
    uint image_capacity;
    uint source_height;
    uint source_width;
    uint grid_height;
    uint grid_width;
    uint result_height;
    uint result_width;
    uint channels;
    uint columns;
    uint kernel_size;
    uint stride;
    uint padding;
    uint result_stride;
    uint result_offset;
    uint image_bias_stride;
    uint image_bias_offset;
    uint group_size;
};

#define IMAGE_BIAS(column) image_bias[image_bias_offset + gl_WorkGroupID.z * image_bias_stride + column]

// Where a pixel's first tap lies in the padded grid: (y, x), both with the padding added.
uvec2 first_tap(uint pixel) { return uvec2(pixel / result_width, pixel % result_width) * stride; }

// Whether a tap of a pixel lies in the grid.
bool is_present(uvec2 first, uint tap) {
    uvec2 place = first + uvec2(tap / kernel_size, tap % kernel_size) - padding;
    // What lies before the grid has wrapped around.
    return place.x < grid_height && place.y < grid_width;
}

// The pixel of all images' sources that a tap reads; the image's first where it is absent.
uint tap_pixel(uint image, uvec2 first, uint tap) {
    uvec2 place = first + uvec2(tap / kernel_size, tap % kernel_size) - padding;
    bool is_inside = place.x < grid_height && place.y < grid_width;
    uvec2 size = uvec2(source_height, source_width);
    uvec2 found = place * size / uvec2(grid_height, grid_width);
    return image * size.x * size.y + (is_inside ? found.x * size.y + found.y : 0u);
}

// Where a pixel's row begins in the result.
uint place_of(uint image, uint pixel) {
    return (image * result_height * result_width + pixel) * result_stride + result_offset;
}
