/* A sum of two maps of which only the mean over the pixels is used, as in selective kernels, is not written: the mean
 * takes both. */
#include "graph/ops/add.h"
#include "graph/rewrite.h"

oc_status oc_rewrite_mean(oc_graph *graph, oc_error *err) {
    for (int i = 0; i < graph->nodes; i++) {
        oc_node *mean = &graph->node[i];
        if (mean->op != &oc_global_pool_op || mean->inputs != 1) continue;
        const int sum = mean->input[0];
        const oc_node *from = &graph->node[sum];
        if (from->op != &oc_add_op || ((const oc_add_node *)from->attr)->relu || oc_graph_uses(graph, sum) != 1)
            continue;
        mean->inputs = 2;
        mean->input[0] = from->input[0];
        mean->input[1] = from->input[1];
        oc_graph_kill(graph, sum);
    }
    return oc_graph_compact(graph, err);
}
