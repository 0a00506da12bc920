/* Taking a trained model elsewhere. */
#ifndef OCELLI_EXPORT_H
#define OCELLI_EXPORT_H

#include "ocelli/ocelli.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct oc_onnx_options {
    /* The file's input is the image as it was decoded, "images" uint8 [N, size, size, 3] in RGB, and normalising it is
     * part of the network. Otherwise the input is float32 [N, 3, size, size], (value / 255 - mean) / std. */
    bool preprocessing;
} oc_onnx_options;

/* Writes a network or an ensemble as an ONNX file (opset 13) for evaluation, atomically: any batch size N, output
 * "scores" [N, classes] before the softmax, layers and tensors called as in PyTorch. Metadata: classes and model, size,
 * mean and std, how images are read, and the scores that Ocelli computes for one image that a formula gives, to check
 * another runtime by (docs/export.md). `options` may be NULL: zeros. OC_E_USAGE: an ensemble whose members read images
 * in different ways or sizes, or a file of more than 2 GiB; OC_E_NON_FINITE for weights that are unfit for use;
 * OC_E_IO, OC_E_COMPUTE, OC_E_MEMORY. */
OC_API oc_status oc_export_onnx(oc_model *model, const char *path, const oc_onnx_options *options, oc_error *err);

#ifdef __cplusplus
}
#endif

#endif
