// What the decoders share.
#ifndef CODEC_MEMORY_H
#define CODEC_MEMORY_H

#include "image_codecs.h"

// Checks the sides and allocates the pixels.
image_codec_status image_codec_allocate(image_codec_image *image, uint32_t width, uint32_t height, uint32_t side_limit);

// Keeps a copy of an Exif block, unless there is one already.
image_codec_status image_codec_keep_exif(image_codec_image *image, const uint8_t *bytes, size_t count);

// Copies a message, cut to its room.
void image_codec_set_message(char *destination, size_t room, const char *message);

#endif
