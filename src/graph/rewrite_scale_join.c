/* Where a residual block with a gate ends: ReLU(a·gate + b) becomes one node, one pass over memory. The gate's node
 * takes the place of the join, since b may be made after a·gate. */
#include "graph/ops/add.h"
#include "graph/ops/scale.h"
#include "graph/rewrite.h"

/* Which input of a join without a third summand is a gated map that nobody else uses; −1: none. */
static int gated(const oc_graph *graph, const oc_node *node) {
    if (node->op != &oc_add_op || !((const oc_add_node *)node->attr)->relu || node->inputs != 2) return -1;
    for (int j = 0; j < 2; j++) {
        const oc_node *from = &graph->node[node->input[j]];
        if (from->op == &oc_scale_op && !((const oc_scale_node *)from->attr)->join &&
            oc_graph_uses(graph, node->input[j]) == 1)
            return j;
    }
    return -1;
}

oc_status oc_rewrite_scale_join(oc_graph *graph, oc_error *err) {
    for (int i = 0; i < graph->nodes; i++) {
        const int which = gated(graph, &graph->node[i]);
        if (which < 0) continue;
        const int scale = graph->node[i].input[which], shortcut = graph->node[i].input[1 - which];
        const oc_node joined = graph->node[scale];
        graph->node[scale] = graph->node[i];
        graph->node[i] = joined;
        ((oc_scale_node *)joined.attr)->join = true;
        graph->node[i].input[graph->node[i].inputs++] = shortcut;
        oc_graph_kill(graph, scale);
    }
    return oc_graph_compact(graph, err);
}
