/* dropout: single elements are zero in training (Srivastava et al., JMLR 15, 2014), as PyTorch's Dropout. */
#include "graph/op.h"
#include "graph/ops.h"
#include "graph/ops/drop.h"

const oc_op oc_dropout_op = {.name = "dropout",
                             .attr_size = sizeof(oc_drop_node),
                             .shape = oc_drop_shape,
                             .forward = oc_drop_forward,
                             .backward = oc_drop_backward};

oc_value oc_op_dropout(oc_graph *graph, oc_value src, double p) {
    if (p == 0) return src;
    return oc_graph_append(graph, &oc_dropout_op, "", 1, &src, &(oc_drop_node){.p = p, .elements = true});
}
