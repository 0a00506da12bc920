/* What drop_path and dropout have in common: all but the unit that is dropped, whole images or elements. */
#ifndef OC_GRAPH_OPS_DROP_H
#define OC_GRAPH_OPS_DROP_H

#include "graph/op.h"

typedef struct oc_drop_node {
    double p;
    bool elements;
} oc_drop_node;

void oc_drop_shape(oc_graph *graph, oc_node *node);
oc_status oc_drop_forward(oc_lower *lower, const oc_node *node, oc_error *err);
oc_status oc_drop_backward(oc_lower *lower, const oc_node *node, oc_error *err);

#endif
