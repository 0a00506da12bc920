/* What a weights file says of itself in its metadata: model, classes (JSON list, in order), size, mean, std. */
#ifndef OC_MODELS_ORIGIN_H
#define OC_MODELS_ORIGIN_H

#include "models/model.h"
#include "tensor/safetensors.h"

/* model NULL: the file says nothing, and the rest is empty. */
typedef struct oc_origin {
    char *model;
    oc_names classes;
    int64_t size;
    float mean[3], std[3];
} oc_origin;

/* Reads the metadata of an open file; `path` names it in errors. Where the keys `model` or `classes` are absent, or
 * the file is not ours and means something else by them, *out is empty. OC_E_FORMAT for a file of ours with damaged
 * metadata. The caller frees *out with oc_origin_free, also after an error. */
oc_status oc_origin_read(oc_origin *out, const oc_safetensors *file, const char *path, oc_error *err);
void oc_origin_free(oc_origin *origin);

/* The values of a model's metadata as text, to be freed with oc_free each, also after an error. */
typedef struct oc_origin_text {
    char *classes, *mean, *std;
    char size[24];
} oc_origin_text;
oc_status oc_origin_write(oc_origin_text *out, const oc_model *model, oc_error *err);
void oc_origin_text_free(oc_origin_text *text);

#endif
