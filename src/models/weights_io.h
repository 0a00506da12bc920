/* The tensors of a weights file, written and read alike for a network and an ensemble. */
#ifndef OC_MODELS_WEIGHTS_IO_H
#define OC_MODELS_WEIGHTS_IO_H

#include "tensor/safetensors.h"

/* Writes the tensors of `table`, data[i] being the elements of its i-th, with `count` pairs of metadata; atomically.
 * Behind the i-th, where that is a batch norm's running_var, comes steps[i] as its num_batches_tracked, which PyTorch's
 * strict loading asks for; `steps` NULL: without these. */
oc_status oc_weights_write(const char *path, const oc_table *table, float *const *data, const int64_t *steps,
                           const oc_metadata *metadata, size_t count, oc_error *err);

/* Fills data[i], unless it is NULL, from the tensor of `file` that is called as the table's i-th. The file holds all of
 * them, in their shapes and of float types (oc_match_tensors). OC_E_FORMAT names `path` and the first tensor with an
 * element that is no finite float, or a negative variance. */
oc_status oc_weights_read(float *const *data, const oc_table *table, const oc_safetensors *file, const char *path,
                          oc_error *err);

/* How many steps of training the batch norms of a file have seen, those whose tensors' names begin with `prefix`; 0
 * where it does not say. */
int64_t oc_weights_steps(const oc_safetensors *file, const char *prefix);

#endif
