/* PNG, by libspng. It is shown the chunks that make the picture and no others: text, colour profiles, times and the
 * like, of which real files hold odd, damaged and very many ones, change no pixel, so whatever is wrong with them the
 * image is read. So it is whatever follows its last row: an end mark, none, or anything else. The eXIf chunk is looked
 * at here. */
#include <spng.h>
#include <string.h>

#include "base/error.h"
#include "data/image/exif.h"
#include "data/image/format.h"

/* One bit a pixel shrinks by less than 1032; a file that claims more than this is cut off or a trap. */
#define PIXELS_PER_BYTE 16384
#define SIGNATURE 8
#define CHUNK_FRAME 12 /* a chunk's length, type and checksum */
#define COLOR_TYPE 25  /* where the IHDR chunk, which comes first, has it */

static const uint8_t signature[SIGNATURE] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
static const uint8_t end_mark[CHUNK_FRAME] = {0, 0, 0, 0, 'I', 'E', 'N', 'D', 0xae, 0x42, 0x60, 0x82};

/* The file as libspng sees it: the signature and the shown chunks, piece by piece. */
typedef struct png_stream {
    const uint8_t *data;
    size_t size;
    size_t place, end; /* of the current piece */
    bool cut;          /* the current piece lacks its end */
    bool grey, alpha;  /* of the colour type: no palette, an alpha channel */
    bool complete;     /* every row is decoded */
} png_stream;

static uint32_t big_endian(const uint8_t *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static bool is_type(const uint8_t *chunk, const char *type) {
    return memcmp(chunk + 4, type, 4) == 0;
}

/* The whole chunk behind the current piece becomes the piece, or what there is of one that is cut off. False at the
 * end. */
static bool next_chunk(png_stream *s) {
    const size_t rest = s->size - s->end;
    s->place = s->end;
    if (rest < CHUNK_FRAME) {
        s->end = s->size;
        return false;
    }
    const size_t length = big_endian(s->data + s->place);
    s->cut = length > rest - CHUNK_FRAME;
    s->end = s->cut ? s->size : s->end + CHUNK_FRAME + length;
    return true;
}

/* Of ancillary chunks (the first letter is a small one) only tRNS tells of pixels. It is passed over, as libpng does
 * it, where it is empty or the image has an alpha channel, and so is the palette of a grey image. */
static bool is_shown(const png_stream *s, const uint8_t *chunk) {
    if (is_type(chunk, "tRNS")) return big_endian(chunk) > 0 && !s->alpha;
    if (is_type(chunk, "PLTE")) return !s->grey;
    return (chunk[4] & 0x20) == 0;
}

/* The next piece that is shown, if only what there is of it; false at the end. Once every row is decoded, that is what
 * remains of the picture's own chunks, up to the last one's checksum, and then an end mark, whatever the file has
 * there. */
static bool next_piece(png_stream *s) {
    if (s->complete && !s->cut) {
        if (!next_chunk(s) || !is_type(s->data + s->place, "IDAT"))
            *s = (png_stream){.data = end_mark, .size = CHUNK_FRAME, .end = CHUNK_FRAME, .complete = true};
        return true;
    }
    while (next_chunk(s))
        if (is_shown(s, s->data + s->place)) return true;
    return s->place < s->end;
}

static int stream_read(spng_ctx *png, void *user, void *dst, size_t count) {
    png_stream *s = user;
    uint8_t *out = dst;
    (void)png;
    while (count > 0) {
        if (s->place == s->end && !next_piece(s)) return SPNG_IO_EOF;
        const size_t piece = s->end - s->place, part = piece < count ? piece : count;
        memcpy(out, s->data + s->place, part);
        s->place += part;
        out += part;
        count -= part;
    }
    return 0;
}

/* What the chunks say beyond what libspng is asked for: whether some pixels are to be transparent, which way up the
 * image is, and whether it is the still one of an animation. */
static void scan_chunks(png_stream s, bool *transparency, oc_canvas *canvas) {
    while (next_chunk(&s)) {
        const uint8_t *chunk = s.data + s.place;
        if (is_type(chunk, "tRNS")) *transparency |= is_shown(&s, chunk);
        if (is_type(chunk, "eXIf")) canvas->orientation = oc_exif_orientation(chunk + 8, s.end - s.place - CHUNK_FRAME);
        canvas->several |= is_type(chunk, "acTL");
    }
}

static oc_color png_color(uint8_t color_type) {
    switch (color_type) {
    case SPNG_COLOR_TYPE_GRAYSCALE:
        return OC_COLOR_GREY;
    case SPNG_COLOR_TYPE_INDEXED:
        return OC_COLOR_PALETTE;
    case SPNG_COLOR_TYPE_GRAYSCALE_ALPHA:
        return OC_COLOR_GREY_ALPHA;
    case SPNG_COLOR_TYPE_TRUECOLOR_ALPHA:
        return OC_COLOR_RGBA;
    default:
        return OC_COLOR_RGB;
    }
}

static oc_status png_fail(int code, const char *where, oc_error *err) {
    if (code == SPNG_EMEM) return oc_fail(err, OC_E_MEMORY, where, "no memory to decode this PNG");
    if (code == SPNG_EOVERFLOW || code == SPNG_EUSER_WIDTH || code == SPNG_EUSER_HEIGHT)
        return oc_fail(err, OC_E_FORMAT, where, "too large: a side of a PNG may have %d pixels", OC_IMAGE_SIDE_LIMIT);
    if (code == SPNG_IO_EOF) return oc_fail(err, OC_E_FORMAT, where, "truncated PNG");
    return oc_fail(err, OC_E_FORMAT, where, "damaged PNG: %s", spng_strerror(code));
}

static oc_status png_decode(oc_canvas *canvas, const uint8_t *data, size_t size, const char *where, oc_error *err) {
    png_stream stream = {.data = data, .size = size, .end = SIGNATURE};
    struct spng_ihdr header;
    oc_status status = OC_OK;
    spng_ctx *png = spng_ctx_new(0); /* cannot be used for a second image */
    if (size > COLOR_TYPE) {
        stream.grey = (data[COLOR_TYPE] & 2) == 0;
        stream.alpha = (data[COLOR_TYPE] & 4) != 0;
    }
    int code = png ? SPNG_OK : SPNG_EMEM;
    /* Of ancillary chunks it is shown tRNS only, which is not to be discarded. */
    if (code == SPNG_OK) code = spng_set_crc_action(png, SPNG_CRC_ERROR, SPNG_CRC_ERROR);
    if (code == SPNG_OK) code = spng_set_png_stream(png, stream_read, &stream);
    if (code == SPNG_OK) code = spng_get_ihdr(png, &header);
    if (code != SPNG_OK) {
        status = png_fail(code, where, err);
        goto cleanup;
    }
    bool alpha = stream.alpha;
    scan_chunks((png_stream){.data = data, .size = size, .end = SIGNATURE, .grey = stream.grey, .alpha = stream.alpha},
                &alpha, canvas);
    canvas->wide = header.bit_depth == 16;
    canvas->color = png_color(header.color_type);
    OC_TRY(oc_canvas_reserve(canvas, header.width, header.height, alpha ? 4 : 3, size, PIXELS_PER_BYTE, where, err));
    code = spng_decode_image(png, canvas->data, (size_t)header.width * header.height * (size_t)canvas->channels,
                             alpha ? SPNG_FMT_RGBA8 : SPNG_FMT_RGB8, alpha ? SPNG_DECODE_TRNS : 0);
    if (code == SPNG_OK) {
        stream.complete = true;
        code = spng_decode_chunks(png);          /* up to the end mark, for the checksum of the picture's last chunk */
        if (code == SPNG_IO_EOF) code = SPNG_OK; /* which is cut off */
    }
    if (code != SPNG_OK) {
        status = png_fail(code, where, err);
        goto cleanup;
    }
cleanup:
    spng_ctx_free(png);
    return status;
}

static bool png_recognise(const uint8_t *data, size_t size) {
    return size >= SIGNATURE && memcmp(data, signature, SIGNATURE) == 0;
}

const oc_image_format oc_format_png = {"PNG", {".png"}, png_recognise, png_decode};
