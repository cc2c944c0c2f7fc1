#include "codec_memory.h"

#include <stdlib.h>
#include <string.h>

image_codec_status image_codec_allocate(
    image_codec_image *image, uint32_t width, uint32_t height, uint32_t side_limit) {
    image->width = width;
    image->height = height;
    if (width > side_limit || height > side_limit) return image_codec_too_large;
    // Both libraries refuse a side of 0.
    if (width > SIZE_MAX / 3 / height) return image_codec_out_of_memory;
    image->pixels = malloc((size_t)width * height * 3);
    return image->pixels ? image_codec_success : image_codec_out_of_memory;
}

image_codec_status image_codec_keep_exif(image_codec_image *image, const uint8_t *bytes, size_t count) {
    if (image->exif || count == 0) return image_codec_success;
    image->exif = malloc(count);
    if (!image->exif) return image_codec_out_of_memory;
    memcpy(image->exif, bytes, count);
    image->exif_count = count;
    return image_codec_success;
}

void image_codec_set_message(char *destination, size_t room, const char *message) {
    size_t count = strlen(message);
    if (count >= room) count = room - 1;
    memcpy(destination, message, count);
    destination[count] = 0;
}

void image_codec_release(image_codec_image *image) {
    free(image->pixels);
    free(image->exif);
    memset(image, 0, sizeof *image);
}
