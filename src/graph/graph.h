/* A model as a graph of operators: names, shapes and the tensor table; no layout, batch or precision.
 *
 * Building latches its first error and ignores what follows, so that a model reads as a plain list of layers (see
 * graph/ops.h) and is checked once, by oc_graph_finish. */
#ifndef OC_GRAPH_GRAPH_H
#define OC_GRAPH_GRAPH_H

#include "tensor/tensor.h"

typedef struct oc_graph oc_graph;
typedef struct oc_op oc_op; /* graph/op.h: an operator's const struct of functions */

/* An activation: the place of the node that makes it; −1 after an error. */
typedef int oc_value;

oc_status oc_graph_create(oc_graph **out, oc_error *err);
void oc_graph_destroy(oc_graph **graph);

/* The image batch, [N, c, h, w]; exactly once, first. */
oc_value oc_graph_input(oc_graph *graph, int64_t c, int64_t h, int64_t w);

/* Marks the result: class scores [N, classes]. */
void oc_graph_output(oc_graph *graph, oc_value value);

/* Latches an error of a model's own (a size it cannot take, say); the first one stays. */
void oc_graph_fail(oc_graph *graph, oc_status status, const char *where, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The latched error, or OC_OK for a complete graph, all of whose values are used and which is constant from here on. */
oc_status oc_graph_finish(oc_graph *graph, oc_error *err);

/* The named tensors, in PyTorch's order. Owned by the graph. */
const oc_table *oc_graph_table(const oc_graph *graph);

/* What a person may know of a node. All shapes without the batch dimension; counts per image. */
typedef struct oc_node_info {
    const char *op;   /* operator's name, "conv" */
    const char *name; /* the layer's, "res1.layers.0"; "" where it has no tensors */
    oc_shape dst;     /* output shape [C, H, W] or [features] */
    int64_t parameters;
    int64_t macs; /* multiply-accumulates of one forward pass of one image (conv and linear) */
} oc_node_info;
int oc_graph_nodes(const oc_graph *graph);
oc_node_info oc_graph_node_info(const oc_graph *graph, int node);

/* Shape of the input [C, H, W] and of the output [classes]. */
oc_shape oc_graph_input_shape(const oc_graph *graph);
oc_shape oc_graph_output_shape(const oc_graph *graph);

#endif
