/* Images that an export is judged by. */
#include "export/samples.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/dataset.h"
#include "data/image/decode.h"

oc_status oc_samples_add(oc_samples *samples, int64_t width, int64_t height, oc_error *err) {
    oc_sample_image *image = &samples->image[samples->count];
    image->width = width;
    image->height = height;
    snprintf(image->file, sizeof image->file, "image-%zu.png", ++samples->count);
    return oc_alloc(&image->pixels, (size_t)width * (size_t)height, 3, err);
}

void oc_samples_free(oc_samples *samples) {
    for (size_t i = 0; i < samples->count; i++) {
        oc_free(samples->image[i].pixels);
        oc_free(samples->image[i].from);
    }
    *samples = (oc_samples){0};
}

static oc_status take(oc_samples *samples, const oc_dataset *dataset, const oc_sample *sample, oc_decoder *decoder,
                      oc_error *err) {
    oc_status status = OC_OK;
    uint8_t *bytes = NULL;
    size_t size;
    oc_pixels pixels;
    OC_TRY(oc_dataset_read(dataset, sample, &bytes, &size, err));
    OC_TRY(oc_decode(decoder, bytes, size, sample->path, &pixels, err));
    OC_TRY(oc_samples_add(samples, pixels.width, pixels.height, err));
    oc_sample_image *image = &samples->image[samples->count - 1];
    memcpy(image->pixels, pixels.data, (size_t)pixels.width * (size_t)pixels.height * 3);
    OC_TRY(oc_strdup(&image->from, sample->in_split, err));
cleanup:
    oc_free(bytes);
    return status;
}

oc_status oc_samples_take(oc_samples *samples, const oc_dataset *dataset, const oc_image_options *options,
                          oc_error *err) {
    oc_status status = OC_OK;
    oc_decoder *decoder = NULL;
    const oc_split *split = oc_dataset_split(dataset, "val");
    if (!split || split->count == 0)
        return oc_fail(
            err, OC_E_NOT_FOUND, oc_dataset_path(dataset),
            "there are no validation images to certify with: leave the data set out, and images are painted");
    /* Samples are sorted by class, so that even distances spread over them. */
    const int64_t count = split->count < OC_SAMPLES_MOST ? split->count : OC_SAMPLES_MOST;
    OC_TRY(oc_decoder_create(&decoder, options, err));
    for (int64_t i = 0; i < count; i++)
        OC_TRY(take(samples, dataset, &split->sample[(2 * i + 1) * split->count / (2 * count)], decoder, err));
cleanup:
    oc_decoder_destroy(&decoder);
    return status;
}
