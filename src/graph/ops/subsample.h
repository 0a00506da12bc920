/* A subsample's node, for rewrites that make one. */
#ifndef OC_GRAPH_OPS_SUBSAMPLE_H
#define OC_GRAPH_OPS_SUBSAMPLE_H

#include "graph/ops.h"

typedef struct oc_subsample_node {
    int64_t stride;
} oc_subsample_node;

#endif
