/* Building an ONNX model (onnx.proto, IR version 7): nodes, constants and metadata, in order, then the file.
 *
 * As in a graph, the first error is latched and what follows is ignored; oc_onnx_write tells it. Names and texts are
 * copied; floats of constants are borrowed until the file is written. */
#ifndef OC_EXPORT_ONNX_BUILDER_H
#define OC_EXPORT_ONNX_BUILDER_H

#include "tensor/tensor.h"

/* The oldest whose Softmax is along one axis and whose Slice takes its ends as inputs: read by ONNX Runtime since 1.6
 * (2020), by OpenCV, TensorRT and OpenVINO, and by Debian 12's checker. */
#define OC_ONNX_OPSET 13

typedef struct oc_onnx oc_onnx;

/* A value's name, owned by the builder; NULL once an error is latched. */
typedef const char *oc_onnx_value;

oc_status oc_onnx_create(oc_onnx **out, const char *name, oc_error *err);
void oc_onnx_destroy(oc_onnx **onnx);

/* Latches an error of a caller's own; the first one stays. */
void oc_onnx_fail(oc_onnx *onnx, oc_status status, const char *where, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The model's one input, [N, shape] for any N, of OC_F32 or OC_U8; and what value is its output, [N, classes] floats.
 */
oc_onnx_value oc_onnx_input(oc_onnx *onnx, const char *name, oc_dtype dtype, const oc_shape *shape);
void oc_onnx_output(oc_onnx *onnx, const char *name, oc_onnx_value value, int64_t classes);

/* A constant: floats of that shape, borrowed; and a row of integers. */
oc_onnx_value oc_onnx_floats(oc_onnx *onnx, const char *name, const oc_shape *shape, const float *data);
oc_onnx_value oc_onnx_integers(oc_onnx *onnx, const char *name, int count, const int64_t *values);

/* Appends a node of operator `op` that is called `name`, which is also its value's; attributes are its once it is
 * there. */
oc_onnx_value oc_onnx_node(oc_onnx *onnx, const char *op, const char *name, int inputs, const oc_onnx_value *input);
void oc_onnx_attribute(oc_onnx *onnx, const char *name, int64_t value);
void oc_onnx_attributes(oc_onnx *onnx, const char *name, int count, const int64_t *values);

/* What is to be known of the model besides, as a pair of texts. */
void oc_onnx_tell(oc_onnx *onnx, const char *key, const char *text);

/* Writes the file, atomically. The latched error; OC_E_USAGE for more than the 2 GiB that protobuf can hold; OC_E_IO,
 * OC_E_MEMORY. */
oc_status oc_onnx_write(oc_onnx *onnx, const char *path, oc_error *err);

#endif
