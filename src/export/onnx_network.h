/* A network's layers as nodes of ONNX. */
#ifndef OC_EXPORT_ONNX_NETWORK_H
#define OC_EXPORT_ONNX_NETWORK_H

#include "export/onnx_builder.h"
#include "models/model.h"

/* Appends the layers of a network (no ensemble) for evaluation, from normalised images `src` [N, 3, size, size], and
 * returns its logits [N, classes]. Layers and tensors are called as in PyTorch, after `prefix` ("models.0.", or "").
 * The network outlives the builder. Errors are latched. */
oc_onnx_value oc_onnx_network(oc_onnx *onnx, const oc_model *network, const char *prefix, oc_onnx_value src);

#endif
