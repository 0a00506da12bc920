/* A certificate of parity: a folder by which a deployment is judged. */
#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/image/encode.h"
#include "export/certificate/certificate.h"
#include "models/ensemble.h"

static const char *const names[] = {"certificate.json", "README.md",   "model.onnx",  "check.py",
                                    "check.c",          "image-1.png", "image-2.png", "image-3.png",
                                    "image-4.png",      "image-5.png", "image-6.png", "image-7.png",
                                    "image-8.png",      "check",       "__pycache__", NULL};
static const oc_folder_mark mark = {names, "certificate.json", "\"kind\": \"ocelli certificate\""};

const oc_model *oc_certificate_network(const oc_certificate *certificate) {
    return oc_model_network(certificate->model, 0);
}

double oc_certificate_largest(const oc_certificate *certificate) {
    double largest = 0;
    for (size_t i = 0; i < certificate->samples.count * certificate->model->classes.count; i++)
        largest = fmax(largest, fabs((double)certificate->logits[i]));
    return largest;
}

void oc_certificate_free(oc_certificate *certificate) {
    for (size_t m = 0; m < certificate->mistakes; m++) oc_free(certificate->mistake[m].logits);
    oc_free(certificate->logits);
    oc_free(certificate->top);
    oc_samples_free(&certificate->samples);
}

static oc_status write_image(const oc_folder_writer *writer, const oc_sample_image *image, oc_error *err) {
    oc_status status = OC_OK;
    unsigned char *png = NULL;
    size_t size = 0;
    OC_TRY(oc_png_encode(&png, &size, image->pixels, image->width, image->height, err));
    OC_TRY(oc_folder_writer_file(writer, image->file, png, size, err));
cleanup:
    free(png);
    return status;
}

oc_status oc_export_certificate(oc_model *model, const char *folder, const oc_certificate_options *options,
                                oc_error *err) {
    oc_status status = OC_OK;
    oc_certificate certificate = {.model = model};
    oc_folder_writer *writer = NULL;
    char *onnx = NULL;
    OC_TRY(oc_folder_writer_create(&writer, folder, &mark, err));
    OC_TRY(oc_folder_writer_path(writer, &onnx, "model.onnx", err));
    OC_TRY(oc_export_onnx(model, onnx, NULL, err)); /* first: it refuses what has no single input */
    if (options && options->dataset)
        OC_TRY(
            oc_samples_take(&certificate.samples, options->dataset, &oc_certificate_network(&certificate)->image, err));
    else
        OC_TRY(oc_certificate_paint(&certificate, err));
    OC_TRY(oc_certificate_compute(&certificate, err));
    for (size_t i = 0; i < certificate.samples.count; i++)
        OC_TRY(write_image(writer, &certificate.samples.image[i], err));
    OC_TRY(oc_certificate_write(&certificate, writer, err));
    OC_TRY(oc_folder_writer_commit(writer, err));
cleanup:
    oc_free(onnx);
    oc_certificate_free(&certificate);
    oc_folder_writer_destroy(&writer);
    return status;
}
