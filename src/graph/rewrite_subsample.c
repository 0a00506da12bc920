/* A convolution whose dilation d is its stride, and divides its padding, sees only every d-th row and column: the same
 * convolution without stride and dilation on those pixels alone. oneDNN has fast kernels for the latter in
 * every pass, and goes by way of matrices in some or all of those of the former. Exact: the same products, and as many
 * of them. */
#include "graph/ops/conv.h"
#include "graph/ops/subsample.h"
#include "graph/rewrite.h"

oc_status oc_rewrite_subsample(oc_graph *graph, oc_error *err) {
    for (int i = 0; i < graph->nodes; i++) {
        if (graph->node[i].op != &oc_conv_op) continue;
        oc_conv_attr *attr = &((oc_conv_node *)graph->node[i].attr)->conv;
        const int64_t d = attr->dilation;
        if (d < 2 || attr->stride != d || attr->pad % d || attr->kernel < 2) continue;
        const oc_subsample_node few = {d};
        const oc_value src = graph->node[i].input[0];
        oc_status status = oc_graph_insert(graph, i, &oc_subsample_op, 1, &src, &few, err);
        if (status != OC_OK) return status;
        i++;
        graph->node[i].input[0] = i - 1;
        attr->stride = attr->dilation = 1;
        attr->pad /= d;
    }
    return OC_OK;
}
