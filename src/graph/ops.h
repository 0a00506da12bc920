/* The layers a model is written in: one builder per operator. Each appends a node and returns its value; on an error
 * it latches it in the graph and returns −1. `name` is PyTorch's module path; tensors are "<name>.weight", … */
#ifndef OC_GRAPH_OPS_H
#define OC_GRAPH_OPS_H

#include "graph/graph.h"

/* Convolution; weight [oc, ic/groups, kernel, kernel], decayed, and bias [oc] when `bias`.
 * kernel, stride >= 1; pad >= 0; dilation, groups: 0 means 1. */
typedef struct oc_conv_attr {
    int64_t oc, kernel, stride, pad, dilation, groups;
    bool bias;
    oc_init weight_init, bias_init;
} oc_conv_attr;
oc_value oc_op_conv(oc_graph *graph, const char *name, oc_value src, const oc_conv_attr *attr);

/* Batch norm over N, H, W: weight γ (starts at `gamma`), bias β (0), running_mean (0), running_var (1); ε 1e-5,
 * momentum 0.1, running variance from the unbiased estimate. */
oc_value oc_op_batch_norm(oc_graph *graph, const char *name, oc_value src, double gamma);

oc_value oc_op_relu(oc_graph *graph, oc_value src);

/* a + b, equal shapes. a and b may be the same value. */
oc_value oc_op_add(oc_graph *graph, oc_value a, oc_value b);

/* Max-pool, floor mode; padding never wins. */
oc_value oc_op_max_pool(oc_graph *graph, oc_value src, int64_t kernel, int64_t stride, int64_t pad);

/* [C, H, W] → [C·H·W] in PyTorch's order. */
oc_value oc_op_flatten(oc_graph *graph, oc_value src);

/* y = x·Wᵀ + b; weight [out, in], decayed; bias [out]. */
oc_value oc_op_linear(oc_graph *graph, const char *name, oc_value src, int64_t out, oc_init weight_init,
                      oc_init bias_init);

#endif
