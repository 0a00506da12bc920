/* The image decoder on arbitrary bytes of every format, one decoder for all of them, as a worker has it, and one that
 * reads images in another way. */
#include <stdlib.h>

#include "data/image/format.h"

static void look_at(const oc_pixels *image) {
    uint64_t sum = 0;
    if (image->width < 1 || image->height < 1 || image->color >= OC_COLOR_COUNT) abort();
    for (int64_t i = 0; i < image->width * image->height * 3; i++) sum += image->data[i];
    if (sum > (uint64_t)(image->width * image->height * 3) * 255) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const oc_image_options as_stored = {false, {9, 99, 199}, OC_FIT_CROP};
    static oc_decoder *decoder, *other;
    oc_pixels image, stored;
    oc_error error = {0};
    if (!decoder && oc_decoder_create(&decoder, NULL, NULL) != OC_OK) abort();
    if (!other && oc_decoder_create(&other, &as_stored, NULL) != OC_OK) abort();
    if (oc_decode(decoder, data, size, "fuzz", &image, &error) == OC_OK) {
        look_at(&image);
        if (!oc_image_format_of(data, size)) abort();
        if (oc_decode(other, data, size, "fuzz", &stored, NULL) != OC_OK) abort();
        look_at(&stored);
        if (image.width * image.height != stored.width * stored.height || image.turned != stored.turned ||
            image.several != stored.several)
            abort();
    } else if (error.status == OC_OK || !error.message[0]) {
        abort();
    }
    return 0;
}
