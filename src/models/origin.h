/* What a weights file says of itself in its metadata: model, classes (JSON list, in order), size, mean, std, and where
 * they are not the usual ones stem, stem_pool and holdout. */
#ifndef OC_MODELS_ORIGIN_H
#define OC_MODELS_ORIGIN_H

#include "models/model.h"
#include "tensor/safetensors.h"

/* model NULL: the file says nothing, and the rest but for `why` is empty. */
typedef struct oc_origin {
    char *model;
    char *why; /* model NULL: which entry keeps what the file does say from being understood; NULL: there is none */
    oc_names classes;
    int64_t size;
    float mean[3], std[3];
    const char *stem; /* static text; NULL: the model's own */
    bool no_stem_pool;
    double holdout; /* [0, 1) */
} oc_origin;

/* Where metadata is read from: the text of a key, or NULL where it is absent. */
typedef struct oc_origin_source {
    const char *(*find)(const void *from, const char *key);
    const void *from;
} oc_origin_source;

/* Reads a whole origin. OC_E_FORMAT names the key that is absent or damaged. The caller frees *out, also after an
 * error. */
oc_status oc_origin_read_source(oc_origin *out, const oc_origin_source *source, const char *path, oc_error *err);

/* Reads the metadata of an open file; `path` names it in errors. Where the keys `model` or `classes` are absent, or
 * the file is not ours and means something else by them, *out is empty but for `why`. OC_E_FORMAT for a file of ours
 * with damaged metadata, and for a run's state. The caller frees *out with oc_origin_free, also after an error. */
oc_status oc_origin_read(oc_origin *out, const oc_safetensors *file, const char *path, oc_error *err);
void oc_origin_free(oc_origin *origin);

/* A network's metadata as text, for oc_safetensors_write, in `pair`; freed with oc_origin_text_free, also after an
 * error. The model outlives it. */
#define OC_ORIGIN_KEYS 8
typedef struct oc_origin_text {
    oc_metadata pair[OC_ORIGIN_KEYS];
    size_t pairs;
    char *classes, *mean, *std; /* what `pair` points to */
    char size[24], holdout[32];
} oc_origin_text;
oc_status oc_origin_write(oc_origin_text *out, const oc_model *model, oc_error *err);
void oc_origin_text_free(oc_origin_text *text);

#endif
