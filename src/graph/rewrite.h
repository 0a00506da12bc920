/* Rewrites: small functions that change a copy of a graph, chosen by the plan's mode. Each keeps what the graph
 * computes, up to rounding, and every tensor. */
#ifndef OC_GRAPH_REWRITE_H
#define OC_GRAPH_REWRITE_H

#include "graph/op.h"

/* A convolution whose dilation is its stride becomes subsample → conv without either. Both modes. */
oc_status oc_rewrite_subsample(oc_graph *graph, oc_error *err);

/* batch_norm → relu becomes one batch_norm. Both modes. */
oc_status oc_rewrite_norm_relu(oc_graph *graph, oc_error *err);

/* batch_norm → max_pool becomes one batch_norm. TRAIN only: in INFER convolutions take the batch norms in. */
oc_status oc_rewrite_norm_pool(oc_graph *graph, oc_error *err);

/* add → relu (→ add) becomes one residual join. Both modes. */
oc_status oc_rewrite_join(oc_graph *graph, oc_error *err);

/* scale → join (without a third summand) becomes one scale. Both modes, behind oc_rewrite_join. */
oc_status oc_rewrite_scale_join(oc_graph *graph, oc_error *err);

/* add → global_pool becomes one global_pool of two. Both modes, behind oc_rewrite_join. */
oc_status oc_rewrite_mean(oc_graph *graph, oc_error *err);

/* drop_path and dropout vanish: nothing is dropped. INFER only, and first: they stand between what others join. */
oc_status oc_rewrite_drop(oc_graph *graph, oc_error *err);

/* conv → batch_norm becomes one conv with scaled weights. INFER only: it needs fixed statistics. */
oc_status oc_rewrite_fold(oc_graph *graph, oc_error *err);

/* conv → relu and conv → add become one conv, again and again along the chain. INFER only. */
oc_status oc_rewrite_post(oc_graph *graph, oc_error *err);

#endif
