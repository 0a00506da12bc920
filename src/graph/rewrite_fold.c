/* Inference: a batch norm with fixed statistics is a factor and an offset for each channel, which the weights and the
 * bias of the convolution before it take in. The convolution moves to the batch norm's place. */
#include "graph/ops/batch_norm.h"
#include "graph/ops/conv.h"
#include "graph/rewrite.h"

oc_status oc_rewrite_fold(oc_graph *graph, oc_error *err) {
    for (int i = 0; i < graph->nodes; i++) {
        if (graph->node[i].op != &oc_batch_norm_op) continue;
        int conv = graph->node[i].input[0];
        oc_node *from = &graph->node[conv], *norm = &graph->node[i];
        if (from->op != &oc_conv_op || oc_graph_uses(graph, conv) != 1) continue;
        oc_conv_node *attr = from->attr;
        if (attr->folded || attr->posts || ((oc_batch_norm_node *)norm->attr)->relu ||
            from->tensors + norm->tensors > OC_NODE_TENSORS)
            continue;
        attr->folded = true;
        attr->epsilon = OC_BATCH_NORM_EPSILON;
        for (int j = 0; j < norm->tensors; j++) from->tensor[from->tensors++] = norm->tensor[j];
        oc_node folded = *from;
        *from = *norm;
        *norm = folded;
        oc_graph_kill(graph, conv);
    }
    return oc_graph_compact(graph, err);
}
