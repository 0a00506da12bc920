/* What models there are and what they are made of. */
#ifndef OCELLI_MODELS_H
#define OCELLI_MODELS_H

#include "ocelli/ocelli.h"

#ifdef __cplusplus
extern "C" {
#endif

OC_API size_t oc_models_count(void);
/* Name and one-line summary of the model at `index`; NULL beyond the count. */
OC_API const char *oc_models_name(size_t index);
OC_API const char *oc_models_summary(size_t index);

/* One layer of a model, shapes without the batch dimension; text in it is owned by the model. */
typedef struct oc_layer {
    const char *op, *name;
    int dims;
    int64_t dst[4];
    int64_t parameters, macs; /* per image */
} oc_layer;
OC_API size_t oc_model_layers(const oc_model *model);
OC_API oc_layer oc_model_layer(const oc_model *model, size_t index);

/* One named tensor, PyTorch's name, order and shape. */
typedef struct oc_tensor_info {
    const char *name;
    int dims;
    int64_t shape[6];
    bool parameter; /* false: a running statistic */
} oc_tensor_info;
OC_API size_t oc_model_tensors(const oc_model *model);
OC_API oc_tensor_info oc_model_tensor(const oc_model *model, size_t index);

OC_API const char *oc_model_name(const oc_model *model);
OC_API int64_t oc_model_size(const oc_model *model);
OC_API size_t oc_model_class_count(const oc_model *model);
/* Class code at `index`, NULL beyond the count. */
OC_API const char *oc_model_class(const oc_model *model, size_t index);

#ifdef __cplusplus
}
#endif

#endif
