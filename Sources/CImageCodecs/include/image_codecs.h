// PNG and JPEG between memory and 8-bit RGB rows, by libpng and libjpeg.
//
// Both libraries report errors by longjmp, which may not cross Swift frames: here it stays inside one C call. Every
// call leaves its outputs in a state that the matching release accepts, whether it succeeded or not.
#ifndef IMAGE_CODECS_H
#define IMAGE_CODECS_H

#include <stddef.h>
#include <stdint.h>

typedef enum {
    image_codec_success,
    // The bytes end before the image does.
    image_codec_truncated,
    // The bytes are not what the format says; `message` has the library's words.
    image_codec_damaged,
    // A side is longer than asked for; `width` and `height` are set.
    image_codec_too_large,
    image_codec_out_of_memory,
} image_codec_status;

typedef struct {
    uint32_t width;
    uint32_t height;
    // [height, width, 3], without padding.
    uint8_t *pixels;
    // The Exif block, a TIFF structure, or null when there is none.
    uint8_t *exif;
    size_t exif_count;
    // Set when the status is image_codec_damaged: one line of ASCII.
    char message[200];
} image_codec_image;

// The colours as stored: palettes and shades of grey become RGB; alpha, transparent colours, gamma and profiles are
// dropped. Of 16 bits the upper 8 are kept, but 16-bit grey without alpha is clipped at 255: Pillow's convert("RGB")
// does that, and so this is what models are evaluated on. A side above `side_limit` is refused before its pixels are
// allocated.
image_codec_status image_codec_decode_png(
    const uint8_t *bytes, size_t count, uint32_t side_limit, image_codec_image *image);

// By the accurate integer transform with smooth chroma upsampling. Four components are taken as inverted CMYK, which is
// how Adobe writes it, and become RGB without a profile.
image_codec_status image_codec_decode_jpeg(
    const uint8_t *bytes, size_t count, uint32_t side_limit, image_codec_image *image);

void image_codec_release(image_codec_image *image);

// A PNG file in the making: begin, add texts, finish, release.
typedef struct image_codec_png_writer image_codec_png_writer;

// Null when there is no memory.
image_codec_png_writer *image_codec_png_begin(void);

// Adds a text under a keyword: as tEXt when it is ASCII, as iTXt (UTF-8) otherwise.
image_codec_status image_codec_png_add_text(image_codec_png_writer *writer, const char *keyword, const char *text);

// Encodes pixels [height, width, 3]; the bytes belong to the writer. The same input gives the same bytes with one
// version of libpng and zlib.
image_codec_status image_codec_png_finish(
    image_codec_png_writer *writer, const uint8_t *pixels, uint32_t width, uint32_t height, const uint8_t **bytes,
    size_t *count);

// What libpng said when a call returned image_codec_damaged.
const char *image_codec_png_message(const image_codec_png_writer *writer);

void image_codec_png_release(image_codec_png_writer *writer);

#endif
