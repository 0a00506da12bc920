/* A few images that an export is judged by: painted, or of a data set. */
#ifndef OC_EXPORT_SAMPLES_H
#define OC_EXPORT_SAMPLES_H

#include "base/image_options.h"
#include "ocelli/ocelli.h"

#define OC_SAMPLES_MOST 8

typedef struct oc_sample_image {
    char file[24];   /* "image-1.png" */
    char *from;      /* where in a data set it is from; NULL: painted */
    uint8_t *pixels; /* [height, width, 3] RGB */
    int64_t width, height;
} oc_sample_image;

/* Starts from {0}; freed with oc_samples_free, also after an error. */
typedef struct oc_samples {
    oc_sample_image image[OC_SAMPLES_MOST];
    size_t count;
} oc_samples;
void oc_samples_free(oc_samples *samples);

/* Makes room for one more, of which there are fewer than OC_SAMPLES_MOST; its pixels are zeros. OC_E_MEMORY. */
oc_status oc_samples_add(oc_samples *samples, int64_t width, int64_t height, oc_error *err);
/* Takes OC_SAMPLES_MOST images (fewer where there are fewer) of the split "val", spread over its classes, as they are
 * decoded by `options`. OC_E_NOT_FOUND: no such split, or an empty one. OC_E_MEMORY, OC_E_IO, OC_E_FORMAT. */
oc_status oc_samples_take(oc_samples *samples, const oc_dataset *dataset, const oc_image_options *options,
                          oc_error *err);

#endif
