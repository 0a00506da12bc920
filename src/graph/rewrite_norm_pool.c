/* Training: a max-pool that is the only user of a batch norm is done by it, so that the normalised map, four times as
 * large as what is left of it, is neither written nor read, and its gradient neither. */
#include "graph/ops/batch_norm.h"
#include "graph/rewrite.h"

oc_status oc_rewrite_norm_pool(oc_graph *graph, oc_error *err) {
    for (int i = 0; i < graph->nodes; i++) {
        const oc_node *pool = &graph->node[i];
        if (pool->op != &oc_max_pool_op) continue;
        const int place = pool->input[0];
        oc_node *norm = &graph->node[place];
        if (norm->op != &oc_batch_norm_op || oc_graph_uses(graph, place) != 1) continue;
        oc_batch_norm_node *attr = norm->attr;
        if (attr->pooled) continue;
        attr->pooled = true;
        attr->pool = *(const oc_pool_node *)pool->attr;
        norm->dst = pool->dst;
        oc_graph_redirect(graph, i, place);
        oc_graph_kill(graph, i);
    }
    return oc_graph_compact(graph, err);
}
