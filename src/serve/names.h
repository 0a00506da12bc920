/* What a model's classes mean in words. */
#ifndef OC_SERVE_NAMES_H
#define OC_SERVE_NAMES_H

#include "models/model.h"

/* Fills *out, which starts from {0}, with a name for each class: those of an evaluation.json beside the weights file
 * that the model was opened from, else the class's code. The caller frees it, also after an error. OC_E_MEMORY. */
oc_status oc_serve_names(oc_names *out, const oc_model *model, oc_error *err);

#endif
