/* What models there are and what they are made of. */
#ifndef OCELLI_MODELS_H
#define OCELLI_MODELS_H

#include "ocelli/ocelli.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How many models there are. */
OC_API size_t oc_models_count(void);
/* The name of the model at `index`; NULL beyond the count; static. */
OC_API const char *oc_models_name(size_t index);
/* One line about the model at `index`; NULL beyond the count; static. */
OC_API const char *oc_models_summary(size_t index);

/* One layer of a model, shapes without the batch dimension; text in it is owned by the model. */
typedef struct oc_layer {
    const char *op, *name;    /* kind of operator ("conv"), and the name in the model ("layer1.0.conv1") */
    int dims;                 /* of dst, 1 to 4 */
    int64_t dst[4];           /* shape of its output */
    int64_t parameters, macs; /* per image */
} oc_layer;
/* How many layers the model has. */
OC_API size_t oc_model_layers(const oc_model *model);
/* The layer at `index`, which is less than the count, in the order in which they are computed. */
OC_API oc_layer oc_model_layer(const oc_model *model, size_t index);

/* One named tensor, PyTorch's name, order and shape. */
typedef struct oc_tensor_info {
    const char *name; /* PyTorch's */
    int dims;         /* of shape */
    int64_t shape[6]; /* outermost first */
    bool parameter;   /* false: a running statistic */
} oc_tensor_info;
/* How many tensors its weights file has. */
OC_API size_t oc_model_tensors(const oc_model *model);
/* The tensor at `index`, which is less than the count. Its name is owned by the model. */
OC_API oc_tensor_info oc_model_tensor(const oc_model *model, size_t index);

/* Its name, "seresnet18"; owned by the model. */
OC_API const char *oc_model_name(const oc_model *model);
/* Width and height of its input, pixels. */
OC_API int64_t oc_model_size(const oc_model *model);
/* How many classes it tells apart. */
OC_API size_t oc_model_class_count(const oc_model *model);
/* Class code at `index`, NULL beyond the count. */
OC_API const char *oc_model_class(const oc_model *model, size_t index);

#ifdef __cplusplus
}
#endif

#endif
