/* Where a residual block ends: ReLU(a + b), and ReLU(a + b) + c, become one node, one pass over memory. The node takes
 * the place of the last one merged, since c may be made after a + b. */
#include "graph/ops/add.h"
#include "graph/rewrite.h"

static bool only_user_of(const oc_graph *graph, int value, const oc_op *op) {
    return graph->node[value].op == op && oc_graph_uses(graph, value) == 1;
}

oc_status oc_rewrite_join(oc_graph *graph, oc_error *err) {
    for (int i = 0; i < graph->nodes; i++) {
        if (graph->node[i].op != &oc_relu_op) continue;
        int sum = graph->node[i].input[0];
        if (!only_user_of(graph, sum, &oc_add_op) || ((oc_add_node *)graph->node[sum].attr)->relu) continue;
        int last = i, inputs = 2, input[3] = {graph->node[sum].input[0], graph->node[sum].input[1], -1};
        if (oc_graph_uses(graph, i) == 1)
            for (int j = i + 1; j < graph->nodes; j++) {
                const oc_node *again = &graph->node[j];
                if (again->op != &oc_add_op || ((oc_add_node *)again->attr)->relu) continue;
                if (again->input[0] != i && again->input[1] != i) continue;
                input[inputs++] = again->input[again->input[0] == i];
                last = j;
                break;
            }
        /* The sum's node moves to the place of the last one, which dies in its stead. */
        oc_node joined = graph->node[sum];
        graph->node[sum] = graph->node[last];
        graph->node[last] = joined;
        ((oc_add_node *)joined.attr)->relu = true;
        graph->node[last].inputs = inputs;
        for (int k = 0; k < inputs; k++) graph->node[last].input[k] = input[k];
        oc_graph_kill(graph, sum);
        if (last != i) oc_graph_kill(graph, i);
    }
    return oc_graph_compact(graph, err);
}
