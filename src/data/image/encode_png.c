/* Encoding PNG by libspng. */
#include <spng.h>

#include "base/error.h"
#include "data/image/encode.h"

/* One byte a channel; `palette` NULL: of colours as they are. */
static oc_status encode(unsigned char **out, size_t *size, const uint8_t *pixels, int64_t width, int64_t height,
                        struct spng_plte *palette, oc_error *err) {
    oc_status status = OC_OK;
    spng_ctx *png = spng_ctx_new(SPNG_CTX_ENCODER);
    int code = png ? SPNG_OK : SPNG_EMEM;
    struct spng_ihdr header = {.width = (uint32_t)width,
                               .height = (uint32_t)height,
                               .bit_depth = 8,
                               .color_type = palette ? SPNG_COLOR_TYPE_INDEXED : SPNG_COLOR_TYPE_TRUECOLOR};
    const size_t channels = palette ? 1 : 3;
    *out = NULL;
    *size = 0;
    if (width < 1 || height < 1 || width > INT32_MAX || height > INT32_MAX) code = SPNG_EOVERFLOW;
    if (code == SPNG_OK) code = spng_set_option(png, SPNG_ENCODE_TO_BUFFER, 1);
    if (code == SPNG_OK) code = spng_set_ihdr(png, &header);
    if (code == SPNG_OK && palette) code = spng_set_plte(png, palette);
    if (code == SPNG_OK)
        code = spng_encode_image(png, pixels, (size_t)width * (size_t)height * channels, SPNG_FMT_PNG,
                                 SPNG_ENCODE_FINALIZE);
    if (code == SPNG_OK) *out = spng_get_png_buffer(png, size, &code);
    if (code != SPNG_OK)
        status = oc_fail(err, code == SPNG_EMEM ? OC_E_MEMORY : OC_E_FORMAT, NULL, "cannot encode a PNG: %s",
                         spng_strerror(code));
    spng_ctx_free(png);
    return status;
}

oc_status oc_png_encode(unsigned char **out, size_t *size, const uint8_t *pixels, int64_t width, int64_t height,
                        oc_error *err) {
    return encode(out, size, pixels, width, height, NULL, err);
}

oc_status oc_png_encode_indexed(unsigned char **out, size_t *size, const uint8_t *pixels, int64_t width, int64_t height,
                                const uint8_t *palette, int colours, oc_error *err) {
    struct spng_plte table = {.n_entries = (uint32_t)colours};
    for (int i = 0; i < colours; i++) {
        table.entries[i].red = palette[3 * i];
        table.entries[i].green = palette[3 * i + 1];
        table.entries[i].blue = palette[3 * i + 2];
    }
    return encode(out, size, pixels, width, height, &table, err);
}
