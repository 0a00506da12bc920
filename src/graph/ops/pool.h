/* What max_pool and avg_pool have in common: windows over one source. */
#ifndef OC_GRAPH_OPS_POOL_H
#define OC_GRAPH_OPS_POOL_H

#include "compute/pool.h"
#include "graph/op.h"

typedef struct oc_pool_node {
    int64_t kernel, stride, pad;
    bool ceil; /* PyTorch's ceil_mode: windows may reach over the border */
} oc_pool_node;

/* Shape rule. */
void oc_pool_shape(oc_graph *graph, oc_node *node);

oc_pool_spec oc_pool_node_spec(const oc_lower *lower, const oc_node *node);

#endif
