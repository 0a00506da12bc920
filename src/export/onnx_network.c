/* One function for each operator of src/graph/ops; the table at the end joins them. */
#include "export/onnx_network.h"

#include <stdio.h>

#include "base/memory.h"
#include "graph/op.h"
#include "graph/ops/batch_norm.h"
#include "graph/ops/conv.h"
#include "graph/ops/pool.h"
#include "graph/ops/slice.h"
#include "graph/ops/subsample.h"

#define NAME_LIMIT 512
#define FAR INT64_MAX /* Slice: to the end */

/* A node that is written, and what it is written to. */
typedef struct place {
    oc_onnx *onnx;
    const oc_model *network;
    const char *prefix;
    const oc_node *node;
    const oc_onnx_value *value; /* [nodes] those of the nodes before */
    char name[NAME_LIMIT];      /* the node's */
} place;

/* What the node's input `index` is. */
static oc_onnx_value input(const place *p, int index) {
    return p->value[p->node->input[index]];
}

/* The node's name with something behind it, for one of several that stand for it. */
static const char *named(const place *p, const char *suffix, char text[NAME_LIMIT]) {
    snprintf(text, NAME_LIMIT, "%.*s%s", NAME_LIMIT - 32, p->name, suffix);
    return text;
}

static oc_onnx_value tensor(const place *p, int index) {
    char name[NAME_LIMIT];
    const oc_tensor *t = oc_table_at(oc_graph_table(p->network->graph), p->node->tensor[index]);
    snprintf(name, sizeof name, "%s%s", p->prefix, t->name);
    return oc_onnx_floats(p->onnx, name, &t->shape, p->network->weights.arena + t->offset);
}

/* A node of one input that has nothing to be said of. */
static oc_onnx_value plain(const place *p, const char *op) {
    const oc_onnx_value src = input(p, 0);
    return oc_onnx_node(p->onnx, op, p->name, 1, &src);
}

/* Both directions alike. */
static void pair(const place *p, const char *name, int64_t value) {
    oc_onnx_attributes(p->onnx, name, 2, (const int64_t[]){value, value});
}

static void pads(const place *p, int64_t pad) {
    oc_onnx_attributes(p->onnx, "pads", 4, (const int64_t[]){pad, pad, pad, pad});
}

static oc_onnx_value conv(const place *p) {
    const oc_conv_attr *attr = &((const oc_conv_node *)p->node->attr)->conv;
    oc_onnx_value src[3] = {input(p, 0), tensor(p, 0)};
    if (attr->bias) src[2] = tensor(p, 1);
    const oc_onnx_value dst = oc_onnx_node(p->onnx, "Conv", p->name, attr->bias ? 3 : 2, src);
    pair(p, "kernel_shape", attr->kernel);
    pair(p, "strides", attr->stride);
    pair(p, "dilations", attr->dilation);
    pads(p, attr->pad);
    oc_onnx_attribute(p->onnx, "group", attr->groups);
    return dst;
}

/* ONNX's default epsilon is PyTorch's, 1e-5. */
static oc_onnx_value batch_norm(const place *p) {
    const oc_onnx_value src[] = {input(p, 0), tensor(p, 0), tensor(p, 1), tensor(p, 2), tensor(p, 3)};
    return oc_onnx_node(p->onnx, "BatchNormalization", p->name, 5, src);
}

static oc_onnx_value linear(const place *p) {
    const oc_onnx_value src[] = {input(p, 0), tensor(p, 0), tensor(p, 1)};
    const oc_onnx_value dst = oc_onnx_node(p->onnx, "Gemm", p->name, 3, src);
    oc_onnx_attribute(p->onnx, "transB", 1);
    return dst;
}

static oc_onnx_value pool(const place *p, const char *op) {
    const oc_pool_node *attr = p->node->attr;
    const oc_onnx_value dst = plain(p, op);
    pair(p, "kernel_shape", attr->kernel);
    pair(p, "strides", attr->stride);
    pads(p, attr->pad);
    if (attr->ceil) oc_onnx_attribute(p->onnx, "ceil_mode", 1);
    return dst;
}

static oc_onnx_value max_pool(const place *p) {
    return pool(p, "MaxPool");
}

/* By default what is outside of the map is not counted. */
static oc_onnx_value avg_pool(const place *p) {
    return pool(p, "AveragePool");
}

static oc_onnx_value global_pool(const place *p) {
    return plain(p, "GlobalAveragePool");
}

static oc_onnx_value relu(const place *p) {
    return plain(p, "Relu");
}

static oc_onnx_value sigmoid(const place *p) {
    return plain(p, "Sigmoid");
}

static oc_onnx_value flatten(const place *p) {
    return plain(p, "Flatten");
}

/* What is dropped in training only. */
static oc_onnx_value nothing(const place *p) {
    return input(p, 0);
}

static oc_onnx_value add(const place *p) {
    const oc_onnx_value src[] = {input(p, 0), input(p, 1)};
    return oc_onnx_node(p->onnx, "Add", p->name, 2, src);
}

static oc_onnx_value scale(const place *p) {
    const oc_onnx_value src[] = {input(p, 0), input(p, 1)};
    return oc_onnx_node(p->onnx, "Mul", p->name, 2, src);
}

/* src from begin to end by steps along `count` axes, the first being axis `axis`. */
static oc_onnx_value cut(const place *p, const char *name, oc_onnx_value src, int count, int64_t axis, int64_t begin,
                         int64_t end, int64_t step) {
    char text[NAME_LIMIT + 16];
    const int64_t begins[] = {begin, begin}, ends[] = {end, end}, axes[] = {axis, axis + 1}, steps[] = {step, step};
    const int64_t *const row[] = {begins, ends, axes, steps};
    static const char *const what[] = {"starts", "ends", "axes", "steps"};
    oc_onnx_value from[5] = {src};
    for (int i = 0; i < 4; i++) {
        snprintf(text, sizeof text, "%s.%s", name, what[i]);
        from[1 + i] = oc_onnx_integers(p->onnx, text, count, row[i]);
    }
    return oc_onnx_node(p->onnx, "Slice", name, 5, from);
}

static oc_onnx_value slice(const place *p) {
    const oc_slice_node *attr = p->node->attr;
    return cut(p, p->name, input(p, 0), 1, 1, attr->begin, attr->begin + attr->count, 1);
}

static oc_onnx_value subsample(const place *p) {
    const oc_subsample_node *attr = p->node->attr;
    return cut(p, p->name, input(p, 0), 2, 2, 0, FAR, attr->stride);
}

/* a·s + b·s', where the softmax of two logits x, y is s = 1 / (1 + e^(y − x)), and s' the other way round. */
static oc_onnx_value half_of(const place *p, int map, oc_onnx_value own, oc_onnx_value other) {
    static const char *const suffix[2][3] = {{".a.difference", ".a.share", ".a"}, {".b.difference", ".b.share", ".b"}};
    char text[NAME_LIMIT];
    const oc_onnx_value logits[] = {own, other};
    const oc_onnx_value difference = oc_onnx_node(p->onnx, "Sub", named(p, suffix[map][0], text), 2, logits);
    const oc_onnx_value share = oc_onnx_node(p->onnx, "Sigmoid", named(p, suffix[map][1], text), 1, &difference);
    const oc_onnx_value src[] = {input(p, map), share};
    return oc_onnx_node(p->onnx, "Mul", named(p, suffix[map][2], text), 2, src);
}

static oc_onnx_value select_paths(const place *p) {
    char text[NAME_LIMIT];
    const int64_t channels = p->node->dst.dim[0];
    const oc_onnx_value logits = input(p, 2);
    const oc_onnx_value a = cut(p, named(p, ".a.logits", text), logits, 1, 1, 0, channels, 1);
    const oc_onnx_value b = cut(p, named(p, ".b.logits", text), logits, 1, 1, channels, 2 * channels, 1);
    const oc_onnx_value src[] = {half_of(p, 0, a, b), half_of(p, 1, b, a)};
    return oc_onnx_node(p->onnx, "Add", p->name, 2, src);
}

static const struct {
    const oc_op *op;
    oc_onnx_value (*write)(const place *p);
} writers[] = {
    {&oc_conv_op, conv},
    {&oc_batch_norm_op, batch_norm},
    {&oc_relu_op, relu},
    {&oc_add_op, add},
    {&oc_max_pool_op, max_pool},
    {&oc_avg_pool_op, avg_pool},
    {&oc_global_pool_op, global_pool},
    {&oc_flatten_op, flatten},
    {&oc_linear_op, linear},
    {&oc_slice_op, slice},
    {&oc_subsample_op, subsample},
    {&oc_sigmoid_op, sigmoid},
    {&oc_scale_op, scale},
    {&oc_select_op, select_paths},
    {&oc_drop_path_op, nothing},
    {&oc_dropout_op, nothing},
};

static oc_onnx_value write_node(const place *p) {
    for (size_t i = 0; i < sizeof writers / sizeof *writers; i++)
        if (writers[i].op == p->node->op) return writers[i].write(p);
    oc_onnx_fail(p->onnx, OC_E_USAGE, p->name, "operator '%s' has no counterpart in ONNX yet", p->node->op->name);
    return NULL;
}

oc_onnx_value oc_onnx_network(oc_onnx *onnx, const oc_model *network, const char *prefix, oc_onnx_value src) {
    oc_error err = {0};
    const oc_graph *graph = network->graph;
    oc_onnx_value *value = NULL, dst = NULL;
    if (oc_alloc(&value, (size_t)graph->nodes, sizeof *value, &err) != OC_OK) {
        oc_onnx_fail(onnx, OC_E_MEMORY, "onnx", "%s", err.message);
        return NULL;
    }
    for (int i = 0; i < graph->nodes; i++) {
        place p = {.onnx = onnx, .network = network, .prefix = prefix, .node = &graph->node[i], .value = value};
        if (p.node->name[0] != '\0')
            snprintf(p.name, sizeof p.name, "%s%s", prefix, p.node->name);
        else
            snprintf(p.name, sizeof p.name, "%s%s_%d", prefix, p.node->op->name, i);
        value[i] = i == graph->input ? src : write_node(&p);
    }
    dst = value[graph->output];
    oc_free(value);
    return dst;
}
