/* A gate's node, for rewrites. */
#ifndef OC_GRAPH_OPS_SCALE_H
#define OC_GRAPH_OPS_SCALE_H

#include <stdbool.h>

/* dst = input 0 times input 1, channel by channel; with `join`, ReLU(that + input 2). */
typedef struct oc_scale_node {
    bool join;
} oc_scale_node;

#endif
