/* A slice's node, for those who read graphs. */
#ifndef OC_GRAPH_OPS_SLICE_H
#define OC_GRAPH_OPS_SLICE_H

#include <stdint.h>

/* Channels begin … begin + count − 1. */
typedef struct oc_slice_node {
    int64_t begin, count;
} oc_slice_node;

#endif
