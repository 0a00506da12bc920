/* Inference: what follows a convolution element by element, a ReLU or the addition of another value, is done by it
 * before its result is written. The convolution moves to the place of what it takes in, since what is added may be made
 * after it. */
#include "graph/ops/add.h"
#include "graph/ops/conv.h"
#include "graph/rewrite.h"

/* Which of the node's inputs is a convolution that nobody else uses and that can take in one more; −1: none. The one
 * made last is best: what it adds then exists already. */
static int absorber(const oc_graph *graph, const oc_node *node) {
    int best = -1;
    for (int j = 0; j < node->inputs; j++) {
        const oc_node *from = &graph->node[node->input[j]];
        if (from->op != &oc_conv_op || oc_graph_uses(graph, node->input[j]) != 1) continue;
        if (((const oc_conv_node *)from->attr)->posts >= OC_POSTS_MAX) continue;
        if (best < 0 || node->input[j] > node->input[best]) best = j;
    }
    return best;
}

oc_status oc_rewrite_post(oc_graph *graph, oc_error *err) {
    for (int i = 0; i < graph->nodes; i++) {
        oc_node *node = &graph->node[i];
        bool relu = node->op == &oc_relu_op;
        if (!relu && (node->op != &oc_add_op || ((oc_add_node *)node->attr)->relu)) continue;
        int which = absorber(graph, node);
        if (which < 0) continue;
        int conv = node->input[which];
        oc_node *from = &graph->node[conv];
        oc_conv_node *attr = from->attr;
        attr->post[attr->posts++] = relu ? OC_POST_RELU : OC_POST_ADD;
        if (!relu) from->input[from->inputs++] = node->input[1 - which];
        oc_node joined = *from;
        *from = *node;
        *node = joined;
        oc_graph_kill(graph, conv);
    }
    return oc_graph_compact(graph, err);
}
