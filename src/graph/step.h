/* The steps that a plan consists of: one primitive each. */
#ifndef OC_GRAPH_STEP_H
#define OC_GRAPH_STEP_H

#include <stdbool.h>

/* What a step is for: times are summed by it. */
typedef enum oc_step_kind {
    OC_STEP_REFRESH, /* makes a working copy of weights; runs only when they have changed */
    OC_STEP_FORWARD,
    OC_STEP_STATISTICS, /* changes running statistics: left out when a forward pass is only looked at again */
    OC_STEP_BACKWARD_DATA,
    OC_STEP_BACKWARD_WEIGHTS,
    OC_STEP_REORDER, /* changes a layout or packs a filter, in either pass */
    OC_STEP_KINDS
} oc_step_kind;

/* Its name in a plan's text, "backward data"; static. */
const char *oc_step_kind_text(oc_step_kind kind);

/* What is known of a step. Texts live as long as its plan. */
typedef struct oc_step_info {
    int node;               /* of the graph the plan was made from: after rewriting, the one that owns the work */
    const char *layer, *op; /* the node's name, its operator's where it has none; its operator's */
    oc_step_kind kind;
    const char *what;      /* "convolution forward" */
    const char *algorithm; /* of a convolution the chosen candidate; oneDNN's implementation, or "own" */
    const char *runner_up; /* the candidate that came second; "" where there was no choice */
    bool product;          /* a convolution or a linear layer itself: part of the bare floor (oc_plan_run_products) */
    double seconds;        /* summed since the last reset, while the plan's profile was on */
    double flops;          /* of one execution: 2 × multiply-adds, counted as if directly; 0 unless `product` */
    double bytes;          /* that one execution reads and writes, each operand once, scratchpads left out */
} oc_step_info;

#endif
