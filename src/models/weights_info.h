/* What a weights file says of itself in its metadata: model, classes (JSON list, in order), size, mean, std, and where
 * they are not the usual ones stem, stem_pool, holdout, exif, background and fit; trained_on as models/trained.h has
 * it. */
#ifndef OC_MODELS_WEIGHTS_INFO_H
#define OC_MODELS_WEIGHTS_INFO_H

#include "models/model.h"
#include "tensor/safetensors.h"

/* model NULL: the file says nothing, and the rest but for `why` and trained.unrecorded is empty. */
typedef struct oc_weights_info {
    char *model;
    char *why; /* model NULL: which entry keeps what the file does say from being understood; NULL: there is none */
    oc_names classes;
    int64_t size;
    float mean[3], std[3];
    const char *stem; /* static text; NULL: the model's own */
    bool no_stem_pool;
    double holdout; /* [0, 1) */
    oc_image_options image;
    oc_trained trained;
} oc_weights_info;

/* Where metadata is read from: the text of a key, or NULL where it is absent. */
typedef struct oc_weights_info_source {
    const char *(*find)(const void *from, const char *key);
    const void *from;
} oc_weights_info_source;

/* Reads all of it. OC_E_FORMAT names the key that is absent or damaged. The caller frees *out, also after an
 * error. */
oc_status oc_weights_info_read_source(oc_weights_info *out, const oc_weights_info_source *source, const char *path,
                                      oc_error *err);

/* Reads the metadata of an open file; `path` names it in errors. Where the keys `model` or `classes` are absent, or
 * the file is not ours and means something else by them, *out is empty but for `why`. OC_E_FORMAT for a file of ours
 * with damaged metadata, and for a run's state. The caller frees *out with oc_weights_info_free, also after an error.
 */
oc_status oc_weights_info_read(oc_weights_info *out, const oc_safetensors *file, const char *path, oc_error *err);
void oc_weights_info_free(oc_weights_info *info);

/* A network's metadata as text, for oc_safetensors_write, in `pair`; freed with oc_weights_info_text_free, also after
 * an error. The model outlives it. */
#define OC_WEIGHTS_INFO_KEYS 12
typedef struct oc_weights_info_text {
    oc_metadata pair[OC_WEIGHTS_INFO_KEYS];
    size_t pairs;
    char *classes, *mean, *std; /* what `pair` points to */
    oc_text trained;            /* this, too */
    char size[24], holdout[32], background[24];
} oc_weights_info_text;
oc_status oc_weights_info_write(oc_weights_info_text *out, const oc_model *model, oc_error *err);
void oc_weights_info_text_free(oc_weights_info_text *text);

#endif
