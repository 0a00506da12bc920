/* Inference drops nothing: whoever uses a drop's result uses its source. */
#include "graph/rewrite.h"

oc_status oc_rewrite_drop(oc_graph *graph, oc_error *err) {
    for (int i = 0; i < graph->nodes; i++) {
        if (graph->node[i].op != &oc_drop_path_op && graph->node[i].op != &oc_dropout_op) continue;
        oc_graph_redirect(graph, i, graph->node[i].input[0]);
        oc_graph_kill(graph, i);
    }
    return oc_graph_compact(graph, err);
}
