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

/* Average-pool; padding is not counted (count_include_pad=False of PyTorch). `ceil`: windows may begin in the last row
 * or column and reach over the border (ceil_mode=True), where only what is inside counts. kernel <= 16, pad <=
 * kernel/2. */
oc_value oc_op_avg_pool(oc_graph *graph, oc_value src, int64_t kernel, int64_t stride, int64_t pad, bool ceil);

/* Mean over H and W: [C, H, W] → [C, 1, 1]. */
oc_value oc_op_global_pool(oc_graph *graph, oc_value src);

/* 1 / (1 + e^−x). */
oc_value oc_op_sigmoid(oc_graph *graph, oc_value src);

/* A gate: src [C, H, W] times gate [C, 1, 1], channel by channel. */
oc_value oc_op_scale(oc_graph *graph, oc_value src, oc_value gate);

/* Channels begin … begin + count − 1: [C, H, W] → [count, H, W]. */
oc_value oc_op_slice(oc_graph *graph, oc_value src, int64_t begin, int64_t count);

/* Every stride-th row and column, from the first: [C, H, W] → [C, ceil(H/stride), ceil(W/stride)]. */
oc_value oc_op_subsample(oc_graph *graph, oc_value src, int64_t stride);

/* The selective kernel's choice (Li et al., CVPR 2019): a·s₀ + b·s₁, where s is, channel by channel, the softmax over
 * the two halves of scores [2C, 1, 1] (first half: a's). a, b: [C, H, W]. */
oc_value oc_op_select(oc_graph *graph, oc_value a, oc_value b, oc_value scores);

/* In training each image's src is zero with probability `p` in [0, 1), else divided by 1 − p (stochastic depth; timm's
 * DropPath). Otherwise src. p 0 appends nothing and returns src. */
oc_value oc_op_drop_path(oc_graph *graph, oc_value src, double p);

/* The same for each element (PyTorch's Dropout). */
oc_value oc_op_dropout(oc_graph *graph, oc_value src, double p);

/* [C, H, W] → [C·H·W] in PyTorch's order. */
oc_value oc_op_flatten(oc_graph *graph, oc_value src);

/* y = x·Wᵀ + b; weight [out, in], decayed; bias [out]. */
oc_value oc_op_linear(oc_graph *graph, const char *name, oc_value src, int64_t out, oc_init weight_init,
                      oc_init bias_init);

#endif
