/* What an ensemble is made of, for the files of this room that make, tell about, write and read models. */
#ifndef OC_MODELS_ENSEMBLE_PARTS_H
#define OC_MODELS_ENSEMBLE_PARTS_H

#include "models/ensemble.h"
#include "models/weights_info.h"
#include "ocelli/models.h"

/* The name by which an ensemble goes where a network says which it is. */
#define OC_ENSEMBLE_NAME "ensemble"

/* As oc_ensemble_create, but of members that need not have arenas yet, and without memory for the combiner: only names,
 * shapes and classes may be asked for. */
oc_status oc_ensemble_build(oc_model **out, oc_combine combine, oc_model **member, const char *const *label,
                            size_t count, oc_error *err);
/* Gives a built ensemble its combiner, and its members their arenas where they have none, all zero. OC_E_MEMORY. */
oc_status oc_ensemble_allocate(oc_model *model, oc_error *err);

/* oc_model_layers and oc_model_layer (index below the count) of an ensemble. */
size_t oc_ensemble_layers(const oc_ensemble *ensemble);
oc_layer oc_ensemble_layer(const oc_ensemble *ensemble, size_t index);

/* oc_model_write of an ensemble. */
oc_status oc_ensemble_write(const oc_model *model, const char *path, oc_error *err);

/* oc_model_open of an open file that `info` says to be an ensemble's. */
oc_status oc_ensemble_open(oc_model **out, const oc_safetensors *file, const oc_weights_info *info, const char *path,
                           const char *name, const char *const *classes, size_t count, int64_t size,
                           const oc_model_options *options, oc_error *err);

#endif
