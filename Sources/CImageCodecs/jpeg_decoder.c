// jpeglib.h needs FILE.
#include <stdio.h>

#include <jerror.h>
#include <jpeglib.h>
#include <setjmp.h>
#include <string.h>

#include "codec_memory.h"

// A file of a few kilobytes can ask for thousands of passes over a large image; encoders write some ten.
enum { scan_limit = 200 };

typedef struct {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf on_error;
    const uint8_t *bytes;
    size_t count;
    uint32_t side_limit;
    image_codec_image *image;
    int ended_early, no_memory;
} jpeg_decoder;

static void fail(j_common_ptr jpeg) {
    jpeg_decoder *decoder = jpeg->client_data;
    char message[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, message);
    image_codec_set_message(decoder->image->message, sizeof decoder->image->message, message);
    if (jpeg->err->msg_code == JERR_OUT_OF_MEMORY) decoder->no_memory = 1;
    longjmp(decoder->on_error, 1);
}

// Level -1 is a warning: bad data that the library makes the best of, as every viewer does. A missing end is no such
// thing: half a picture would pass for the whole.
static void note_warning(j_common_ptr jpeg, int level) {
    if (level == -1 && jpeg->err->msg_code == JWRN_JPEG_EOF) {
        jpeg_decoder *decoder = jpeg->client_data;
        decoder->ended_early = 1;
        longjmp(decoder->on_error, 1);
    }
}

static void limit_scans(j_common_ptr jpeg) {
    jpeg_decoder *decoder = jpeg->client_data;
    if (decoder->jpeg.input_scan_number > scan_limit) {
        image_codec_set_message(decoder->image->message, sizeof decoder->image->message, "too many scans");
        longjmp(decoder->on_error, 1);
    }
}

static image_codec_status keep_exif(jpeg_decoder *decoder) {
    static const uint8_t prefix[] = {'E', 'x', 'i', 'f', 0, 0};
    for (jpeg_saved_marker_ptr marker = decoder->jpeg.marker_list; marker; marker = marker->next) {
        if (marker->data_length > sizeof prefix && memcmp(marker->data, prefix, sizeof prefix) == 0) {
            return image_codec_keep_exif(
                decoder->image, marker->data + sizeof prefix, marker->data_length - sizeof prefix);
        }
    }
    return image_codec_success;
}

// a · b / 255, rounded, for a and b up to 255.
static uint8_t scaled(uint32_t a, uint32_t b) {
    uint32_t product = a * b + 128;
    return (uint8_t)((product + (product >> 8)) >> 8);
}

// Inverted CMYK [width, 4] to RGB [width, 3]. A channel is the white that ink and black leave; both arrive as 255 minus
// the ink.
static void convert_cmyk(const uint8_t *source, uint8_t *destination, uint32_t width) {
    for (uint32_t x = 0; x < width; x++) {
        uint8_t white = source[4 * x + 3];
        for (int channel = 0; channel < 3; channel++) {
            destination[3 * x + channel] = white - scaled(255 - source[4 * x + channel], white);
        }
    }
}

// Leaves by longjmp when the file is wrong.
static image_codec_status read_image(jpeg_decoder *decoder) {
    j_decompress_ptr jpeg = &decoder->jpeg;
    jpeg_mem_src(jpeg, decoder->bytes, decoder->count);
    jpeg_save_markers(jpeg, JPEG_APP0 + 1, 0xFFFF);
    jpeg_read_header(jpeg, TRUE);
    image_codec_status status =
        image_codec_allocate(decoder->image, jpeg->image_width, jpeg->image_height, decoder->side_limit);
    if (status == image_codec_success) status = keep_exif(decoder);
    if (status != image_codec_success) return status;

    int is_cmyk = jpeg->num_components == 4;
    jpeg->out_color_space = is_cmyk ? JCS_CMYK : JCS_RGB;
    jpeg->dct_method = JDCT_ISLOW;
    jpeg->do_fancy_upsampling = TRUE;
    jpeg_start_decompress(jpeg);
    JSAMPARRAY cmyk =
        is_cmyk ? jpeg->mem->alloc_sarray((j_common_ptr)jpeg, JPOOL_IMAGE, jpeg->output_width * 4, 1) : NULL;
    while (jpeg->output_scanline < jpeg->output_height) {
        JSAMPROW row = decoder->image->pixels + (size_t)jpeg->output_scanline * jpeg->output_width * 3;
        if (jpeg_read_scanlines(jpeg, is_cmyk ? cmyk : &row, 1) == 1 && is_cmyk) {
            convert_cmyk(cmyk[0], row, jpeg->output_width);
        }
    }
    jpeg_finish_decompress(jpeg);
    return image_codec_success;
}

// Holds the frame that longjmp returns to. What changes in between is in `decoder`, not in locals.
static image_codec_status read_or_fail(jpeg_decoder *decoder) {
    if (setjmp(decoder->on_error)) {
        if (decoder->ended_early) return image_codec_truncated;
        return decoder->no_memory ? image_codec_out_of_memory : image_codec_damaged;
    }
    jpeg_create_decompress(&decoder->jpeg);
    decoder->jpeg.progress = &decoder->progress;
    return read_image(decoder);
}

image_codec_status image_codec_decode_jpeg(
    const uint8_t *bytes, size_t count, uint32_t side_limit, image_codec_image *image) {
    memset(image, 0, sizeof *image);
    jpeg_decoder decoder;
    memset(&decoder, 0, sizeof decoder);
    decoder.bytes = bytes;
    decoder.count = count;
    decoder.side_limit = side_limit;
    decoder.image = image;
    decoder.jpeg.client_data = &decoder;
    decoder.jpeg.err = jpeg_std_error(&decoder.errors);
    decoder.errors.error_exit = fail;
    decoder.errors.emit_message = note_warning;
    decoder.progress.progress_monitor = limit_scans;
    image_codec_status status = read_or_fail(&decoder);
    jpeg_destroy_decompress(&decoder.jpeg);
    return status;
}
