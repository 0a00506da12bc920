/* The parts of a certificate of parity: its images, the logits of the model for them, and those that each of the
 * well-known mistakes would give. */
#ifndef OC_EXPORT_CERTIFICATE_H
#define OC_EXPORT_CERTIFICATE_H

#include "base/folder.h"
#include "models/model.h"
#include "ocelli/export.h"

#define OC_CERTIFICATE_IMAGES 8
#define OC_CERTIFICATE_MISTAKES 16 /* at most */
/* What a right deployment may differ by, as a share of the largest logit of all images. */
#define OC_CERTIFICATE_TOLERANCE 1e-4

typedef struct oc_certificate_image {
    char file[24];
    char *from;      /* where in a data set it is from; NULL: generated */
    uint8_t *pixels; /* [height, width, 3] RGB */
    int64_t width, height;
} oc_certificate_image;

/* A mistake that people make in bringing images to a network. */
typedef struct oc_certificate_mistake {
    const char *name, *cause; /* static; the cause is the end of a sentence */
    float *logits;            /* [images, classes] that it gives */
} oc_certificate_mistake;

/* Starts from {.model = …}; freed with oc_certificate_free, also after an error. */
typedef struct oc_certificate {
    oc_model *model; /* borrowed */
    oc_certificate_image image[OC_CERTIFICATE_IMAGES];
    size_t images;
    float *logits; /* [images, classes] */
    oc_certificate_mistake mistake[OC_CERTIFICATE_MISTAKES];
    size_t mistakes;
} oc_certificate;
void oc_certificate_free(oc_certificate *certificate);

/* The size of the model's input, its way of reading images and its normalisation: of an ensemble, those of the first
 * member. */
const oc_model *oc_certificate_network(const oc_certificate *certificate);
/* The largest of the logits, without their sign. */
double oc_certificate_largest(const oc_certificate *certificate);

/* Paints eight images: the first of the model's size, the others of sizes and shapes that a wrong way of resizing or
 * cropping cannot pass. A function of the size alone. OC_E_MEMORY. */
oc_status oc_certificate_paint(oc_certificate *certificate, oc_error *err);
/* Takes eight images (fewer where there are fewer) of the split "val" instead, spread over its classes, as they are
 * decoded for the model. OC_E_NOT_FOUND: no such split. */
oc_status oc_certificate_take(oc_certificate *certificate, const oc_dataset *dataset, oc_error *err);

/* Computes the logits of the images, and what each mistake makes of them; mistakes that for this model are none (its
 * own way of cropping) are left out. OC_E_NON_FINITE, OC_E_COMPUTE, OC_E_MEMORY. */
oc_status oc_certificate_compute(oc_certificate *certificate, oc_error *err);

/* Writes all but the images and the ONNX file. */
oc_status oc_certificate_write(const oc_certificate *certificate, const oc_folder_writer *writer, oc_error *err);

#endif
