/* The parts of a certificate of parity: its images, the logits of the model for them, and those that each of the
 * well-known mistakes would give. */
#ifndef OC_EXPORT_CERTIFICATE_H
#define OC_EXPORT_CERTIFICATE_H

#include "base/folder.h"
#include "export/samples.h"
#include "models/model.h"
#include "ocelli/export.h"

#define OC_CERTIFICATE_MISTAKES 16 /* at most */
/* What a right deployment may differ by, as a share of the largest logit of all images. */
#define OC_CERTIFICATE_TOLERANCE 1e-4

/* A mistake that people make in bringing images to a network. */
typedef struct oc_certificate_mistake {
    const char *name, *cause; /* static; the cause is the end of a sentence */
    float *logits;            /* [samples, classes] that it gives */
} oc_certificate_mistake;

/* Starts from {.model = …}; freed with oc_certificate_free, also after an error. */
typedef struct oc_certificate {
    oc_model *model; /* borrowed */
    oc_samples samples;
    float *logits;      /* [samples, classes] */
    oc_prediction *top; /* [samples, tops] */
    size_t tops;
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

/* Computes the logits of the images and their likeliest classes, and what each mistake makes of them; mistakes that for
 * this model are none (its own way of cropping) are left out. OC_E_NON_FINITE, OC_E_COMPUTE, OC_E_MEMORY. */
oc_status oc_certificate_compute(oc_certificate *certificate, oc_error *err);

/* Writes all but the images and the ONNX file. */
oc_status oc_certificate_write(const oc_certificate *certificate, const oc_folder_writer *writer, oc_error *err);

#endif
