/* WebP, by libwebp: lossy and lossless, with alpha, and of an animation the first frame. */
#include <string.h>
#include <webp/decode.h>
#include <webp/demux.h>

#include "base/error.h"
#include "data/image/exif.h"
#include "data/image/format.h"

#define RIFF_HEADER 8 /* "RIFF" and the size of what follows */

static oc_status webp_fail(VP8StatusCode code, const char *where, oc_error *err) {
    switch (code) {
    case VP8_STATUS_OUT_OF_MEMORY:
        return oc_fail(err, OC_E_MEMORY, where, "no memory to decode this WebP");
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
        return oc_fail(err, OC_E_FORMAT, where, "truncated WebP");
    case VP8_STATUS_UNSUPPORTED_FEATURE:
        return oc_fail(err, OC_E_FORMAT, where, "WebP of a kind that is not read: convert it to PNG");
    default:
        return oc_fail(err, OC_E_FORMAT, where, "damaged WebP");
    }
}

/* What is wrong with a file whose parts do not fit together. */
static VP8StatusCode structure_fault(const uint8_t *data, size_t size) {
    const uint32_t told =
        (uint32_t)data[4] | (uint32_t)data[5] << 8 | (uint32_t)data[6] << 16 | (uint32_t)data[7] << 24;
    return size < (size_t)told + RIFF_HEADER ? VP8_STATUS_NOT_ENOUGH_DATA : VP8_STATUS_BITSTREAM_ERROR;
}

/* Decodes a frame to its place on the canvas, of which it may be a part. */
static oc_status frame_decode(oc_canvas *canvas, const WebPIterator *frame, const char *where, oc_error *err) {
    WebPDecoderConfig config;
    oc_status status = OC_OK;
    const size_t channels = (size_t)canvas->channels, stride = (size_t)canvas->width * channels;
    const size_t start = (size_t)frame->y_offset * stride + (size_t)frame->x_offset * channels;
    if (!WebPInitDecoderConfig(&config)) return webp_fail(VP8_STATUS_UNSUPPORTED_FEATURE, where, err);
    config.output.colorspace = canvas->channels == 4 ? MODE_RGBA : MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = canvas->data + start;
    config.output.u.RGBA.stride = (int)stride;
    config.output.u.RGBA.size = (size_t)canvas->height * stride - start;
    const VP8StatusCode code = WebPDecode(frame->fragment.bytes, frame->fragment.size, &config);
    if (code != VP8_STATUS_OK) status = webp_fail(code, where, err);
    WebPFreeDecBuffer(&config.output);
    return status;
}

static oc_status webp_decode(oc_canvas *canvas, const uint8_t *data, size_t size, const char *where, oc_error *err) {
    oc_status status = OC_OK;
    WebPIterator frame = {0};
    WebPChunkIterator exif = {0};
    WebPDemuxer *demuxer = WebPDemux(&(WebPData){data, size});
    if (!demuxer || !WebPDemuxGetFrame(demuxer, 1, &frame)) {
        status = webp_fail(structure_fault(data, size), where, err);
        goto cleanup;
    }
    const int64_t width = WebPDemuxGetI(demuxer, WEBP_FF_CANVAS_WIDTH);
    const int64_t height = WebPDemuxGetI(demuxer, WEBP_FF_CANVAS_HEIGHT);
    const bool part = frame.width != width || frame.height != height;
    canvas->several = frame.num_frames > 1;
    canvas->color = frame.has_alpha ? OC_COLOR_RGBA : OC_COLOR_RGB;
    OC_TRY(oc_canvas_reserve(canvas, width, height, part || frame.has_alpha ? 4 : 3, size, OC_ANY_PIXELS_PER_BYTE,
                             where, err));
    if (part) memset(canvas->data, 0, (size_t)(width * height) * 4); /* transparent around it */
    OC_TRY(frame_decode(canvas, &frame, where, err));
    if (WebPDemuxGetChunk(demuxer, "EXIF", 1, &exif))
        canvas->orientation = oc_exif_orientation(exif.chunk.bytes, exif.chunk.size);
cleanup:
    WebPDemuxReleaseChunkIterator(&exif);
    WebPDemuxReleaseIterator(&frame);
    WebPDemuxDelete(demuxer);
    return status;
}

static bool webp_recognise(const uint8_t *data, size_t size) {
    return size >= 12 && memcmp(data, "RIFF", 4) == 0 && memcmp(data + 8, "WEBP", 4) == 0;
}

const oc_image_format oc_format_webp = {"WebP", {".webp"}, webp_recognise, webp_decode};
