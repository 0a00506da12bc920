/* What relu and sigmoid have in common: y = f(x) element by element, in x's layout and in its place where nobody needs
 * x later, and a gradient that follows from y. */
#ifndef OC_GRAPH_OPS_POINTWISE_H
#define OC_GRAPH_OPS_POINTWISE_H

#include "graph/op.h"

/* Creates the work of either pass: slots SRC, DST; or DST, DIFF_DST, DIFF_SRC, all in one layout. */
typedef oc_status (*oc_pointwise_create)(oc_primitive **out, oc_engine *engine, const char *layer,
                                         const oc_layout *layout, oc_error *err);

void oc_pointwise_shape(oc_graph *graph, oc_node *node);
oc_status oc_pointwise_forward(oc_lower *lower, const oc_node *node, oc_pointwise_create create, oc_error *err);
oc_status oc_pointwise_backward(oc_lower *lower, const oc_node *node, oc_pointwise_create create, oc_error *err);

#endif
