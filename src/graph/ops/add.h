/* An addition's node, for rewrites. */
#ifndef OC_GRAPH_OPS_ADD_H
#define OC_GRAPH_OPS_ADD_H

#include <stdbool.h>

/* dst = input 0 + input 1; with `relu`, ReLU of that, plus input 2 where there is one. */
typedef struct oc_add_node {
    bool relu;
} oc_add_node;

#endif
