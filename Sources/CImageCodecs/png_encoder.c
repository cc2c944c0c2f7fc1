#include <png.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "codec_memory.h"

struct image_codec_png_writer {
    png_structp png;
    png_infop info;
    uint8_t *bytes;
    size_t count, room;
    int no_memory;
    char message[200];
};

static void fail(png_structp png, png_const_charp message) {
    image_codec_png_writer *writer = png_get_error_ptr(png);
    image_codec_set_message(writer->message, sizeof writer->message, message);
    png_longjmp(png, 1);
}

static void ignore_warning(png_structp png, png_const_charp message) {
    (void)png;
    (void)message;
}

static void append(png_structp png, png_bytep bytes, size_t count) {
    image_codec_png_writer *writer = png_get_io_ptr(png);
    if (count > writer->room - writer->count) {
        size_t room = 2 * (writer->count + count);
        uint8_t *grown = realloc(writer->bytes, room);
        if (!grown) {
            writer->no_memory = 1;
            png_error(png, "no memory");
        }
        writer->bytes = grown;
        writer->room = room;
    }
    memcpy(writer->bytes + writer->count, bytes, count);
    writer->count += count;
}

static void flush(png_structp png) { (void)png; }

image_codec_png_writer *image_codec_png_begin(void) {
    image_codec_png_writer *writer = calloc(1, sizeof *writer);
    if (!writer) return NULL;
    writer->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, writer, fail, ignore_warning);
    if (writer->png) writer->info = png_create_info_struct(writer->png);
    if (!writer->info) {
        image_codec_png_release(writer);
        return NULL;
    }
    png_set_write_fn(writer->png, writer, append, flush);
    return writer;
}

static image_codec_status failure(const image_codec_png_writer *writer) {
    return writer->no_memory ? image_codec_out_of_memory : image_codec_damaged;
}

image_codec_status image_codec_png_add_text(image_codec_png_writer *writer, const char *keyword, const char *text) {
    if (setjmp(png_jmpbuf(writer->png))) return failure(writer);
    int is_ascii = 1;
    for (const char *byte = text; *byte; byte++) is_ascii &= (unsigned char)*byte < 0x80;
    // libpng copies both; its structure is not const.
    png_text chunk = {
        .compression = is_ascii ? PNG_TEXT_COMPRESSION_NONE : PNG_ITXT_COMPRESSION_NONE,
        .key = (png_charp)keyword,
        .text = (png_charp)text,
        .text_length = is_ascii ? strlen(text) : 0,
        .itxt_length = is_ascii ? 0 : strlen(text),
    };
    png_set_text(writer->png, writer->info, &chunk, 1);
    return image_codec_success;
}

image_codec_status image_codec_png_finish(
    image_codec_png_writer *writer, const uint8_t *pixels, uint32_t width, uint32_t height, const uint8_t **bytes,
    size_t *count) {
    if (setjmp(png_jmpbuf(writer->png))) return failure(writer);
    png_structp png = writer->png;
    png_set_IHDR(
        png, writer->info, width, height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
        PNG_FILTER_TYPE_DEFAULT);
    // All that the bytes depend on is set here, so that no default of another version changes it.
    png_set_compression_level(png, 6);
    png_set_compression_mem_level(png, 8);
    png_set_compression_window_bits(png, 15);
    png_set_compression_strategy(png, Z_FILTERED);
    png_set_filter(png, PNG_FILTER_TYPE_BASE, PNG_FILTER_PAETH);
    png_write_info(png, writer->info);
    for (uint32_t y = 0; y < height; y++) png_write_row(png, pixels + (size_t)y * width * 3);
    png_write_end(png, NULL);
    *bytes = writer->bytes;
    *count = writer->count;
    return image_codec_success;
}

const char *image_codec_png_message(const image_codec_png_writer *writer) { return writer->message; }

void image_codec_png_release(image_codec_png_writer *writer) {
    if (!writer) return;
    png_destroy_write_struct(&writer->png, &writer->info);
    free(writer->bytes);
    free(writer);
}
