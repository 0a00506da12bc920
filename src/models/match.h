/* Whether a weights file and a model belong together, and if not, in which words to say so. */
#ifndef OC_MODELS_MATCH_H
#define OC_MODELS_MATCH_H

#include "models/weights_info.h"

/* OC_OK when `file`, of which `info` tells what it says of itself, holds exactly the tensors of `model`
 * (num_batches_tracked aside) and contradicts neither its name, variant, size (where the model is made for one) nor
 * classes; else OC_E_MISMATCH with the first differences of each kind. `path` names the file in errors. The model's
 * arena is not touched.
 * With `new_head` not NULL, weights of other classes match as well: *new_head tells that the file has its own last
 * linear layer for them (oc_model_head), which is of no use here. */
oc_status oc_match_check(const oc_model *model, const oc_safetensors *file, const oc_weights_info *info,
                         const char *path, bool *new_head, oc_error *err);

/* The model's last linear layer, whose tensors are "<name>.weight" and "<name>.bias"; "" where there is none. */
const char *oc_model_head(const oc_model *model);
/* Whether `tensor` is one of the layer's. */
bool oc_match_is_of(const char *tensor, const char *layer);

/* The two halves of it: appends to `sentence` how the tensors of `file` differ from those of `table`, and how the class
 * list of a file differs from a model's; nothing where they agree. */
oc_status oc_match_tensors(oc_text *sentence, const oc_table *table, const oc_safetensors *file, oc_error *err);
oc_status oc_match_classes(oc_text *sentence, const oc_names *ours, const oc_names *theirs, oc_error *err);

/* The number of training steps that PyTorch's batch norms count: no part of a model here. */
#define OC_TRACKED "num_batches_tracked"
/* True for a tensor called so. */
bool oc_match_ignored(const char *tensor);

#endif
