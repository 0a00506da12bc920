/* The image decoder on arbitrary bytes, one decoder for all of them, as a worker has it. */
#include <stdlib.h>

#include "data/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static oc_decoder *decoder;
    oc_pixels image;
    oc_error error = {0};
    uint64_t sum = 0;
    if (!decoder && oc_decoder_create(&decoder, NULL, NULL) != OC_OK) abort();
    if (oc_decode(decoder, data, size, "fuzz", &image, &error) == OC_OK) {
        if (image.width < 1 || image.height < 1 || image.color >= OC_COLOR_COUNT) abort();
        for (int64_t i = 0; i < image.width * image.height * 3; i++) sum += image.data[i];
        if (sum > (uint64_t)(image.width * image.height * 3) * 255) abort();
    } else if (error.status == OC_OK || !error.message[0]) {
        abort();
    }
    return 0;
}
