/* The two halves of making a model, apart so that a weights file can be compared with the model's table before memory
 * is taken for what the file merely claims. */
#ifndef OC_MODELS_BUILD_H
#define OC_MODELS_BUILD_H

#include "models/model.h"

/* As oc_model_create, but without the arena (NULL): only names, shapes and classes may be asked for. The caller
 * destroys. */
oc_status oc_model_build(oc_model **out, const char *name, const char *const *classes, size_t count, int64_t size,
                         const oc_model_options *options, oc_error *err);

/* Gives a built model its arena, all zero. OC_E_MEMORY. */
oc_status oc_model_allocate(oc_model *model, oc_error *err);

#endif
