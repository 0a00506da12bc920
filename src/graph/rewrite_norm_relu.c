/* A ReLU that is the only user of a batch norm is done by it: oneDNN fuses it almost for nothing, both ways. */
#include "graph/ops/batch_norm.h"
#include "graph/rewrite.h"

oc_status oc_rewrite_norm_relu(oc_graph *graph, oc_error *err) {
    for (int i = 0; i < graph->nodes; i++) {
        if (graph->node[i].op != &oc_relu_op) continue;
        int norm = graph->node[i].input[0];
        if (graph->node[norm].op != &oc_batch_norm_op || oc_graph_uses(graph, norm) != 1) continue;
        oc_batch_norm_node *attr = graph->node[norm].attr;
        if (attr->relu) continue;
        attr->relu = true;
        oc_graph_redirect(graph, i, norm);
        oc_graph_kill(graph, i);
    }
    return oc_graph_compact(graph, err);
}
