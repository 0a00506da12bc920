/* The ONNX builder: protobuf's messages in chunks of memory that are freed together. */
#include "export/onnx_builder.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "export/onnx.pb-c.h"
#include "ocelli/version.h"

#define IR_VERSION 7         /* that of opset 13 */
#define FILE_LIMIT INT32_MAX /* protobuf's */

/* A list of messages; `capacity` in items. */
typedef struct list {
    void **item;
    size_t count, capacity;
} list;

struct oc_onnx {
    list kept; /* all memory of the messages but the lists below */
    list nodes, initializers, metadata;
    Onnx__ModelProto model;
    Onnx__GraphProto graph;
    Onnx__OperatorSetIdProto opset, *opsets[1];
    Onnx__ValueInfoProto *inputs[1], *outputs[1];
    Onnx__NodeProto *last; /* whose attributes come */
    oc_status status;
    oc_error error;
};

/* ---- Memory ---- */

static bool latched(oc_onnx *onnx, oc_status status) {
    if (onnx->status == OC_OK) onnx->status = status;
    return onnx->status != OC_OK;
}

static bool append(oc_onnx *onnx, list *to, void *item) {
    if (latched(onnx, oc_grow(&to->item, &to->capacity, to->count + 1, sizeof *to->item, &onnx->error))) return false;
    to->item[to->count++] = item;
    return true;
}

/* Zeroed; NULL once an error is latched. */
static void *keep(oc_onnx *onnx, size_t count, size_t size) {
    void *memory = NULL;
    if (onnx->status != OC_OK || latched(onnx, oc_alloc(&memory, count, size, &onnx->error))) return NULL;
    if (append(onnx, &onnx->kept, memory)) return memory;
    oc_free(memory);
    return NULL;
}

static char *keep_text(oc_onnx *onnx, const char *text) {
    const size_t size = strlen(text) + 1;
    char *copy = keep(onnx, size, 1);
    return copy ? memcpy(copy, text, size) : NULL;
}

static int64_t *keep_integers(oc_onnx *onnx, int count, const int64_t *values) {
    int64_t *copy = keep(onnx, (size_t)count, sizeof *copy);
    return copy && count > 0 ? memcpy(copy, values, (size_t)count * sizeof *copy) : copy;
}

oc_status oc_onnx_create(oc_onnx **out, const char *name, oc_error *err) {
    oc_status status = OC_OK;
    oc_onnx *onnx = NULL;
    OC_TRY(oc_alloc(&onnx, 1, sizeof *onnx, err));
    onnx__model_proto__init(&onnx->model);
    onnx__graph_proto__init(&onnx->graph);
    onnx__operator_set_id_proto__init(&onnx->opset);
    onnx->graph.name = keep_text(onnx, name);
    onnx->opset.domain = "";
    onnx->opset.has_version = true;
    onnx->opset.version = OC_ONNX_OPSET;
    onnx->opsets[0] = &onnx->opset;
    onnx->model.has_ir_version = true;
    onnx->model.ir_version = IR_VERSION;
    onnx->model.producer_name = "ocelli";
    onnx->model.producer_version = OC_VERSION_STRING;
    onnx->model.graph = &onnx->graph;
    onnx->model.n_opset_import = 1;
    onnx->model.opset_import = onnx->opsets;
    *out = onnx;
cleanup:
    return status;
}

void oc_onnx_destroy(oc_onnx **onnx) {
    oc_onnx *b = *onnx;
    if (!b) return;
    for (size_t i = 0; i < b->kept.count; i++) oc_free(b->kept.item[i]);
    oc_free(b->kept.item);
    oc_free(b->nodes.item);
    oc_free(b->initializers.item);
    oc_free(b->metadata.item);
    oc_free(b);
    *onnx = NULL;
}

void oc_onnx_fail(oc_onnx *onnx, oc_status status, const char *where, const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (onnx->status == OC_OK) onnx->status = oc_fail(&onnx->error, status, where, "%s", text);
}

/* ---- Values ---- */

static Onnx__TensorShapeProto *shape_of(oc_onnx *onnx, const oc_shape *shape) {
    Onnx__TensorShapeProto *result = keep(onnx, 1, sizeof *result);
    if (!result) return NULL;
    onnx__tensor_shape_proto__init(result);
    result->dim = keep(onnx, (size_t)shape->ndim + 1, sizeof *result->dim);
    for (int i = 0; i <= shape->ndim && result->dim; i++) {
        Onnx__TensorShapeProto__Dimension *dim = keep(onnx, 1, sizeof *dim);
        if (!dim) return NULL;
        onnx__tensor_shape_proto__dimension__init(dim);
        if (i == 0) {
            dim->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            dim->dim_param = "N";
        } else {
            dim->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
            dim->dim_value = shape->dim[i - 1];
        }
        result->dim[result->n_dim++] = dim;
    }
    return result;
}

static int32_t type_of(oc_dtype dtype) {
    return dtype == OC_U8    ? ONNX__TENSOR_PROTO__DATA_TYPE__UINT8
           : dtype == OC_I64 ? ONNX__TENSOR_PROTO__DATA_TYPE__INT64
                             : ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
}

static Onnx__ValueInfoProto *info_of(oc_onnx *onnx, const char *name, oc_dtype dtype, const oc_shape *shape) {
    Onnx__ValueInfoProto *info = keep(onnx, 1, sizeof *info);
    Onnx__TypeProto *type = keep(onnx, 1, sizeof *type);
    Onnx__TypeProto__Tensor *tensor = keep(onnx, 1, sizeof *tensor);
    if (!info || !type || !tensor) return NULL;
    onnx__value_info_proto__init(info);
    onnx__type_proto__init(type);
    onnx__type_proto__tensor__init(tensor);
    tensor->has_elem_type = true;
    tensor->elem_type = type_of(dtype);
    tensor->shape = shape_of(onnx, shape);
    type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    type->tensor_type = tensor;
    info->name = keep_text(onnx, name);
    info->type = type;
    return onnx->status == OC_OK ? info : NULL;
}

oc_onnx_value oc_onnx_input(oc_onnx *onnx, const char *name, oc_dtype dtype, const oc_shape *shape) {
    Onnx__ValueInfoProto *info = info_of(onnx, name, dtype, shape);
    if (!info) return NULL;
    onnx->inputs[0] = info;
    onnx->graph.n_input = 1;
    onnx->graph.input = onnx->inputs;
    return info->name;
}

void oc_onnx_output(oc_onnx *onnx, const char *name, oc_onnx_value value, int64_t classes) {
    const oc_shape shape = oc_shape_make(1, classes);
    Onnx__ValueInfoProto *info = info_of(onnx, name, OC_F32, &shape);
    (void)oc_onnx_node(onnx, "Identity", name, 1, &value);
    if (!info) return;
    onnx->outputs[0] = info;
    onnx->graph.n_output = 1;
    onnx->graph.output = onnx->outputs;
}

/* ---- Constants ---- */

static oc_onnx_value constant(oc_onnx *onnx, const char *name, oc_dtype dtype, const oc_shape *shape, void *data) {
    Onnx__TensorProto *tensor = keep(onnx, 1, sizeof *tensor);
    char *text = keep_text(onnx, name);
    int64_t *dims = keep_integers(onnx, shape->ndim, shape->dim);
    if (onnx->status != OC_OK || !append(onnx, &onnx->initializers, tensor)) return NULL;
    onnx__tensor_proto__init(tensor);
    tensor->name = text;
    tensor->n_dims = (size_t)shape->ndim;
    tensor->dims = dims;
    tensor->has_data_type = true;
    tensor->data_type = type_of(dtype);
    tensor->has_raw_data = true; /* little-endian, as this processor's */
    tensor->raw_data.len = (size_t)oc_shape_count(shape) * oc_dtype_size(dtype);
    tensor->raw_data.data = data;
    return text;
}

oc_onnx_value oc_onnx_floats(oc_onnx *onnx, const char *name, const oc_shape *shape, const float *data) {
    union {
        const float *from;
        void *to; /* protobuf-c's messages have no const; nothing is written there */
    } floats = {.from = data};
    return constant(onnx, name, OC_F32, shape, floats.to);
}

oc_onnx_value oc_onnx_integers(oc_onnx *onnx, const char *name, int count, const int64_t *values) {
    const oc_shape shape = oc_shape_make(1, count);
    return constant(onnx, name, OC_I64, &shape, keep_integers(onnx, count, values));
}

/* ---- Nodes ---- */

oc_onnx_value oc_onnx_node(oc_onnx *onnx, const char *op, const char *name, int inputs, const oc_onnx_value *input) {
    Onnx__NodeProto *node = keep(onnx, 1, sizeof *node);
    char **from = keep(onnx, (size_t)inputs, sizeof *from), **to = keep(onnx, 1, sizeof *to);
    char *text = keep_text(onnx, name), *type = keep_text(onnx, op);
    if (onnx->status != OC_OK) return NULL;
    onnx__node_proto__init(node);
    node->name = text;
    node->op_type = type;
    for (int i = 0; i < inputs; i++) from[i] = keep_text(onnx, input[i]);
    to[0] = text;
    node->n_input = (size_t)inputs;
    node->input = from;
    node->n_output = 1;
    node->output = to;
    if (!append(onnx, &onnx->nodes, node)) return NULL;
    onnx->last = node;
    return text;
}

static Onnx__AttributeProto *attribute_of(oc_onnx *onnx, const char *name) {
    Onnx__AttributeProto *attribute = keep(onnx, 1, sizeof *attribute);
    Onnx__AttributeProto **all =
        onnx->last ? keep(onnx, onnx->last->n_attribute + 1, sizeof(Onnx__AttributeProto *)) : NULL;
    char *text = keep_text(onnx, name);
    if (onnx->status != OC_OK || !attribute || !all) return NULL;
    onnx__attribute_proto__init(attribute);
    attribute->name = text;
    attribute->has_type = true;
    for (size_t i = 0; i < onnx->last->n_attribute; i++) all[i] = onnx->last->attribute[i];
    all[onnx->last->n_attribute++] = attribute;
    onnx->last->attribute = all;
    return attribute;
}

void oc_onnx_attribute(oc_onnx *onnx, const char *name, int64_t value) {
    Onnx__AttributeProto *attribute = attribute_of(onnx, name);
    if (!attribute) return;
    attribute->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
    attribute->has_i = true;
    attribute->i = value;
}

void oc_onnx_attributes(oc_onnx *onnx, const char *name, int count, const int64_t *values) {
    Onnx__AttributeProto *attribute = attribute_of(onnx, name);
    if (!attribute) return;
    attribute->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS;
    attribute->n_ints = (size_t)count;
    attribute->ints = keep_integers(onnx, count, values);
}

void oc_onnx_tell(oc_onnx *onnx, const char *key, const char *text) {
    Onnx__StringStringEntryProto *entry = keep(onnx, 1, sizeof *entry);
    char *k = keep_text(onnx, key), *t = keep_text(onnx, text);
    if (onnx->status != OC_OK || !append(onnx, &onnx->metadata, entry)) return;
    onnx__string_string_entry_proto__init(entry);
    entry->key = k;
    entry->value = t;
}

/* ---- The file ---- */

typedef struct sink {
    ProtobufCBuffer buffer;
    oc_file_writer *writer;
    oc_status status;
    oc_error *err;
} sink;

static void sink_append(ProtobufCBuffer *buffer, size_t size, const uint8_t *data) {
    sink *s = (sink *)buffer;
    if (s->status == OC_OK) s->status = oc_file_writer_write(s->writer, data, size, s->err);
}

oc_status oc_onnx_write(oc_onnx *onnx, const char *path, oc_error *err) {
    oc_status status = OC_OK;
    sink s = {.buffer = {.append = sink_append}, .err = err};
    if (onnx->status != OC_OK) {
        if (err) *err = onnx->error;
        return onnx->status;
    }
    onnx->graph.n_node = onnx->nodes.count;
    onnx->graph.node = (Onnx__NodeProto **)onnx->nodes.item;
    onnx->graph.n_initializer = onnx->initializers.count;
    onnx->graph.initializer = (Onnx__TensorProto **)onnx->initializers.item;
    onnx->model.n_metadata_props = onnx->metadata.count;
    onnx->model.metadata_props = (Onnx__StringStringEntryProto **)onnx->metadata.item;
    const size_t size = onnx__model_proto__get_packed_size(&onnx->model);
    if (size > FILE_LIMIT)
        return oc_fail(err, OC_E_USAGE, path, "%zu MiB are more than an ONNX file can hold, 2048", size >> 20);
    OC_TRY(oc_file_writer_create(&s.writer, path, err));
    (void)onnx__model_proto__pack_to_buffer(&onnx->model, &s.buffer);
    OC_TRY(s.status);
    OC_TRY(oc_file_writer_commit(s.writer, err));
cleanup:
    oc_file_writer_destroy(&s.writer);
    return status;
}
