/* Taking a trained model elsewhere. */
#ifndef OCELLI_EXPORT_H
#define OCELLI_EXPORT_H

#include "ocelli/ocelli.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What an ONNX file is to be. */
typedef struct oc_onnx_options {
    /* The file's input is the image as it was decoded, "images" uint8 [N, size, size, 3] in RGB, and normalising it is
     * part of the network. Otherwise the input is float32 [N, 3, size, size], (value / 255 - mean) / std. */
    bool preprocessing;
} oc_onnx_options;

/* Writes a network or an ensemble as an ONNX file (opset 13) for evaluation, atomically: any batch size N, output
 * "logits" [N, classes] before the softmax, layers and tensors called as in PyTorch. Metadata: classes and model, size,
 * mean and std, how images are read, and the logits that Ocelli computes for one image that a formula gives, to check
 * another runtime by (docs/export.md). `options` may be NULL: zeros. OC_E_USAGE: an ensemble whose members read images
 * in different ways or sizes, or a file of more than 2 GiB; OC_E_NON_FINITE for weights that are unfit for use;
 * OC_E_IO, OC_E_COMPUTE, OC_E_MEMORY. */
OC_API oc_status oc_export_onnx(oc_model *model, const char *path, const oc_onnx_options *options, oc_error *err);

/* What timm is told besides. All zero: the defaults that are named. */
typedef struct oc_timm_options {
    /* Of models that crop (oc_fit): (0, 1], the share of the shorter side that timm is to show, as its crop_pct: 1,
     * which is right for images of the model's size, or 0.8, which is for those whose shorter side is 1.25 times that
     * or more. 0: 0.8 where most of the validation images of `dataset` are so large, else 1. */
    double crop_pct;
    const oc_dataset *dataset; /* may be NULL */
    const char *const *words;  /* [classes] the classes in words, in the model's order; may be NULL, each as well */
} oc_timm_options;

/* Writes a network as a folder that timm opens with timm.create_model("local-dir:FOLDER", pretrained=True):
 * config.json and model.safetensors; where timm has no such stem (3x3, or no pool), load.py besides, which opens it,
 * while that call fails. Whole or not at all; an earlier one at `folder` is replaced, and so is an empty folder; its
 * parent must be there. `options` may be NULL: zeros. OC_E_USAGE: an ensemble, a model that timm does not have, or a
 * crop_pct that is none; OC_E_EXISTS: the folder holds other things; OC_E_FORMAT: an image of the data set cannot be
 * decoded; OC_E_IO, OC_E_MEMORY. */
OC_API oc_status oc_export_timm(const oc_model *model, const char *folder, const oc_timm_options *options,
                                oc_error *err);

/* What the judges judge by. */
typedef struct oc_certificate_options {
    const oc_dataset *dataset; /* eight images of its split "val" serve; NULL: painted ones, which show more mistakes */
} oc_certificate_options;

/* Writes a folder by which any deployment of the model can be judged (docs/certificate.md): eight PNG images,
 * certificate.json with the exact preprocessing, the logits that Ocelli computes for them and those that each of the
 * well-known mistakes would give, model.onnx as oc_export_onnx writes it, README.md, and two judges, check.py and
 * check.c. Of equal models equal, byte for byte. Replaces an earlier one as oc_export_timm does. `options` may be NULL.
 * The model is changed for a while and as it was afterwards. OC_E_USAGE: what oc_export_onnx refuses; OC_E_EXISTS;
 * OC_E_NOT_FOUND: the data set has no split "val"; OC_E_FORMAT: an image of it cannot be decoded; OC_E_NON_FINITE,
 * OC_E_IO, OC_E_COMPUTE, OC_E_MEMORY. */
OC_API oc_status oc_export_certificate(oc_model *model, const char *folder, const oc_certificate_options *options,
                                       oc_error *err);

#ifdef __cplusplus
}
#endif

#endif
