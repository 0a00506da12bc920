/* Whether a weights file and a model belong together, and if not, in which words to say so. */
#ifndef OC_MODELS_FIT_H
#define OC_MODELS_FIT_H

#include "models/origin.h"

/* OC_OK when `file`, of which `origin` tells what it says of itself, holds exactly the tensors of `model`
 * (num_batches_tracked aside) and contradicts neither its name, size (where the model is made for one) nor classes;
 * else OC_E_MISMATCH with the first differences of each kind. `path` names the file in errors. The model's arena is
 * not touched. */
oc_status oc_fit_check(const oc_model *model, const oc_safetensors *file, const oc_origin *origin, const char *path,
                       oc_error *err);

/* True for a tensor of PyTorch's batch norms that says nothing here. */
bool oc_fit_ignored(const char *tensor);

#endif
