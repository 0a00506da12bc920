/* A convolution's node, for rewrites that join other work to it. */
#ifndef OC_GRAPH_OPS_CONV_H
#define OC_GRAPH_OPS_CONV_H

#include "compute/conv/conv.h"
#include "graph/ops.h"

typedef struct oc_conv_node {
    oc_conv_attr conv;
    /* Batch norm with running statistics folded in: its weight, bias, running_mean and running_var follow the
     * convolution's own tensors in the node. */
    bool folded;
    double epsilon;
    /* What follows at once; the i-th OC_POST_ADD adds input 1 + i. Inference only. */
    int posts;
    oc_post_kind post[OC_POSTS_MAX];
} oc_conv_node;

#endif
