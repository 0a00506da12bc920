/* A batch norm's node, for rewrites. */
#ifndef OC_GRAPH_OPS_BATCH_NORM_H
#define OC_GRAPH_OPS_BATCH_NORM_H

#include "graph/ops/pool.h"

#define OC_BATCH_NORM_EPSILON 1e-5
#define OC_BATCH_NORM_MOMENTUM 0.1

/* Tensors: weight, bias, running_mean, running_var. */
typedef struct oc_batch_norm_node {
    double gamma; /* what weight starts at */
    bool relu;    /* ReLU follows at once */
    bool pooled;  /* and then this max-pool; training only */
    oc_pool_node pool;
} oc_batch_norm_node;

#endif
