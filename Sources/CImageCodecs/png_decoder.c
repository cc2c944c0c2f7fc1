#include <png.h>
#include <stdlib.h>
#include <string.h>

#include "codec_memory.h"

typedef struct {
    const uint8_t *bytes;
    size_t count, position;
    uint32_t side_limit;
    image_codec_image *image;
    png_structp png;
    png_infop info;
    png_bytepp rows;
    int ended_early;
} png_decoder;

static void read_bytes(png_structp png, png_bytep destination, size_t count) {
    png_decoder *decoder = png_get_io_ptr(png);
    if (count > decoder->count - decoder->position) {
        decoder->ended_early = 1;
        png_error(png, "ends early");
    }
    memcpy(destination, decoder->bytes + decoder->position, count);
    decoder->position += count;
}

static void fail(png_structp png, png_const_charp message) {
    png_decoder *decoder = png_get_error_ptr(png);
    image_codec_set_message(decoder->image->message, sizeof decoder->image->message, message);
    png_longjmp(png, 1);
}

static void ignore_warning(png_structp png, png_const_charp message) {
    (void)png;
    (void)message;
}

// A row of 16-bit greys, big-endian, becomes RGB in its place: from the end, as it grows.
static void clip_gray(uint8_t *row, uint32_t width) {
    for (size_t x = width; x-- > 0;) {
        uint8_t gray = row[2 * x] ? 255 : row[2 * x + 1];
        row[3 * x] = row[3 * x + 1] = row[3 * x + 2] = gray;
    }
}

// Leaves by longjmp when the file is wrong.
static image_codec_status read_image(png_decoder *decoder) {
    png_structp png = decoder->png;
    png_infop info = decoder->info;
    png_set_read_fn(png, decoder, read_bytes);
    // Nothing but pixels, palette and Exif is wanted; what is skipped cannot be wrong.
    static const png_byte exif_chunk[] = "eXIf";
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_AS_DEFAULT, exif_chunk, 1);
    // The limit is checked below, where its error can be told from others.
    png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_read_info(png, info);

    uint32_t width = png_get_image_width(png, info), height = png_get_image_height(png, info);
    image_codec_status status = image_codec_allocate(decoder->image, width, height, decoder->side_limit);
    if (status != image_codec_success) return status;

    int is_deep_gray = png_get_color_type(png, info) == PNG_COLOR_TYPE_GRAY && png_get_bit_depth(png, info) == 16;
    if (!is_deep_gray) {
        png_set_palette_to_rgb(png);
        png_set_expand_gray_1_2_4_to_8(png);
        png_set_strip_16(png);
        png_set_strip_alpha(png);
        png_set_gray_to_rgb(png);
    }
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
    if (png_get_rowbytes(png, info) != (size_t)width * (is_deep_gray ? 2 : 3)) png_error(png, "unknown kind of rows");

    decoder->rows = malloc(height * sizeof *decoder->rows);
    if (!decoder->rows) return image_codec_out_of_memory;
    for (uint32_t y = 0; y < height; y++) decoder->rows[y] = decoder->image->pixels + (size_t)y * width * 3;
    png_read_image(png, decoder->rows);
    if (is_deep_gray) {
        for (uint32_t y = 0; y < height; y++) clip_gray(decoder->rows[y], width);
    }
    png_read_end(png, info);

    png_bytep exif = NULL;
    png_uint_32 exif_count = 0;
    if (png_get_eXIf_1(png, info, &exif_count, &exif)) {
        return image_codec_keep_exif(decoder->image, exif, exif_count);
    }
    return image_codec_success;
}

// Holds the frame that longjmp returns to. What changes in between is in `decoder`, not in locals.
static image_codec_status read_or_fail(png_decoder *decoder) {
    if (setjmp(png_jmpbuf(decoder->png))) {
        return decoder->ended_early ? image_codec_truncated : image_codec_damaged;
    }
    return read_image(decoder);
}

image_codec_status image_codec_decode_png(
    const uint8_t *bytes, size_t count, uint32_t side_limit, image_codec_image *image) {
    memset(image, 0, sizeof *image);
    png_decoder decoder = {.bytes = bytes, .count = count, .side_limit = side_limit, .image = image};
    image_codec_status status = image_codec_out_of_memory;
    decoder.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &decoder, fail, ignore_warning);
    if (decoder.png) decoder.info = png_create_info_struct(decoder.png);
    if (decoder.info) status = read_or_fail(&decoder);
    free(decoder.rows);
    png_destroy_read_struct(&decoder.png, &decoder.info, NULL);
    return status;
}
