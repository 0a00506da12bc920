/* GIF, by giflib: the first frame, on its canvas. */
#include <gif_lib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/image/format.h"

typedef struct gif_stream {
    const uint8_t *data;
    size_t size, place;
} gif_stream;

static int stream_read(GifFileType *gif, GifByteType *dst, int count) {
    gif_stream *s = gif->UserData;
    const size_t rest = s->size - s->place, part = (size_t)count < rest ? (size_t)count : rest;
    memcpy(dst, s->data + s->place, part);
    s->place += part;
    return (int)part;
}

static oc_status gif_fail(int code, const char *where, oc_error *err) {
    switch (code) {
    case D_GIF_ERR_NOT_ENOUGH_MEM:
        return oc_fail(err, OC_E_MEMORY, where, "no memory to decode this GIF");
    case D_GIF_ERR_READ_FAILED:
    case D_GIF_ERR_EOF_TOO_SOON:
    case D_GIF_ERR_NO_SCRN_DSCR:
        return oc_fail(err, OC_E_FORMAT, where, "truncated GIF");
    default: {
        const char *text = GifErrorString(code);
        return oc_fail(err, OC_E_FORMAT, where, "damaged GIF: %s", text ? text : "it has no image");
    }
    }
}

/* Reads on to the next frame's pixels. *transparent = the colour's place, or −1. */
static bool find_frame(GifFileType *gif, int *transparent) {
    GifRecordType record;
    *transparent = NO_TRANSPARENT_COLOR;
    while (DGifGetRecordType(gif, &record) == GIF_OK) {
        GifByteType *extension;
        GraphicsControlBlock control;
        int kind;
        if (record == IMAGE_DESC_RECORD_TYPE) return DGifGetImageDesc(gif) == GIF_OK;
        if (record != EXTENSION_RECORD_TYPE || DGifGetExtension(gif, &kind, &extension) != GIF_OK) return false;
        if (kind == GRAPHICS_EXT_FUNC_CODE && extension &&
            DGifExtensionToGCB(extension[0], extension + 1, &control) == GIF_OK)
            *transparent = control.TransparentColor;
        while (extension)
            if (DGifGetExtensionNext(gif, &extension) != GIF_OK) return false;
    }
    return false;
}

/* One row of the frame; colours that the table lacks are black. */
static void put_row(uint8_t *dst, const GifPixelType *row, int width, const ColorMapObject *colors, int transparent,
                    int channels) {
    for (int x = 0; x < width; x++, dst += channels) {
        const GifColorType color = row[x] < colors->ColorCount ? colors->Colors[row[x]] : (GifColorType){0};
        dst[0] = color.Red;
        dst[1] = color.Green;
        dst[2] = color.Blue;
        if (channels == 4) dst[3] = row[x] == transparent ? 0 : 255;
    }
}

/* The frame's rows, which may be interlaced, to its place on the canvas. */
static oc_status read_rows(GifFileType *gif, oc_canvas *canvas, int transparent, const char *where, oc_error *err) {
    static const int first[] = {0, 4, 2, 1, 0}, step[] = {8, 8, 4, 2, 1};
    const GifImageDesc *frame = &gif->Image;
    const ColorMapObject *colors = frame->ColorMap ? frame->ColorMap : gif->SColorMap;
    GifPixelType *row = NULL;
    oc_status status = OC_OK;
    if (!colors) return oc_fail(err, OC_E_FORMAT, where, "damaged GIF: it has no colours");
    OC_TRY(oc_alloc(&row, (size_t)frame->Width, sizeof *row, err));
    for (int pass = frame->Interlace ? 0 : 4; pass < (frame->Interlace ? 4 : 5); pass++)
        for (int y = first[pass]; y < frame->Height; y += step[pass]) {
            if (DGifGetLine(gif, row, frame->Width) != GIF_OK) {
                status = gif_fail(gif->Error, where, err);
                goto cleanup;
            }
            const int64_t place = (frame->Top + y) * canvas->width + frame->Left;
            put_row(canvas->data + place * canvas->channels, row, frame->Width, colors, transparent, canvas->channels);
        }
cleanup:
    oc_free(row);
    return status;
}

static oc_status gif_decode(oc_canvas *canvas, const uint8_t *data, size_t size, const char *where, oc_error *err) {
    gif_stream stream = {data, size, 0};
    oc_status status = OC_OK;
    int code = 0, transparent;
    GifFileType *gif = DGifOpen(&stream, stream_read, &code);
    if (!gif) return gif_fail(code, where, err);
    if (!find_frame(gif, &transparent)) {
        status = gif_fail(gif->Error, where, err);
        goto cleanup;
    }
    const GifImageDesc *frame = &gif->Image;
    /* Some files state no canvas, or one that their frame does not fit into. */
    const int64_t right = frame->Left + frame->Width, bottom = frame->Top + frame->Height;
    const int64_t width = gif->SWidth > right ? gif->SWidth : right;
    const int64_t height = gif->SHeight > bottom ? gif->SHeight : bottom;
    const bool part = frame->Width != width || frame->Height != height;
    canvas->color = OC_COLOR_PALETTE;
    OC_TRY(oc_canvas_reserve(canvas, width, height, part || transparent >= 0 ? 4 : 3, size, OC_ANY_PIXELS_PER_BYTE,
                             where, err));
    if (part) memset(canvas->data, 0, (size_t)(width * height) * 4); /* transparent around it */
    OC_TRY(read_rows(gif, canvas, transparent, where, err));
    canvas->several = find_frame(gif, &transparent); /* whatever may be wrong behind it */
cleanup:
    DGifCloseFile(gif, &code);
    return status;
}

static bool gif_recognise(const uint8_t *data, size_t size) {
    return size >= 6 && (memcmp(data, "GIF87a", 6) == 0 || memcmp(data, "GIF89a", 6) == 0);
}

const oc_image_format oc_format_gif = {"GIF", {".gif"}, gif_recognise, gif_decode};
