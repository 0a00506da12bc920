/* A plan: a graph compiled for one batch, mode and precision. It picks each layout once, places every activation and
 * gradient by its lifetime in one slab, creates every primitive before the first step, and then only executes. */
#ifndef OC_GRAPH_PLAN_H
#define OC_GRAPH_PLAN_H

#include "base/parallel.h"
#include "compute/conv/conv.h"
#include "graph/graph.h"
#include "graph/step.h"

/* INFER: running statistics, forward only. TRAIN: batch statistics, running ones updated, forward and backward. */
typedef enum oc_plan_mode { OC_PLAN_INFER, OC_PLAN_TRAIN } oc_plan_mode;
/* BF16, on any processor: activations and their gradients are stored as bfloat16. Sums are in float, and the input, the
 * output, weights, gradients of weights and statistics are float as in FP32. */
typedef enum oc_precision { OC_PRECISION_FP32, OC_PRECISION_BF16 } oc_precision;

/* Working memory that plans which never run at once share. It grows to the largest of them; creating a plan on it
 * invalidates no other plan, only the contents. */
typedef struct oc_slab oc_slab;
oc_status oc_slab_create(oc_slab **out, oc_error *err);
void oc_slab_destroy(oc_slab **slab);
size_t oc_slab_bytes(const oc_slab *slab);

/* A model's tensors behind the graph's table, one arena of oc_table_arena_size floats in plain layout. Whoever
 * changes parameters adds one to `version`, and plans refresh their working copies from it. */
typedef struct oc_weights {
    float *arena;
    uint64_t version;
} oc_weights;

/* What guides the choice of algorithms; all zero: the estimates alone. Borrowed until the plan is made. */
typedef struct oc_plan_guide {
    /* The text of an earlier plan of the same graph (oc_plan_describe), whose choices are taken where they are
     * supported, so that a resumed run computes the same bits; NULL: none. */
    const char *choices;
    oc_tuner *tuner;   /* measures what the text above does not decide; NULL: nothing is measured */
    const oc_log *log; /* told, in one line, of what that text has not or this processor cannot; NULL: nobody */
} oc_plan_guide;

typedef struct oc_plan_options {
    int64_t batch; /* >= 1 */
    oc_plan_mode mode;
    oc_precision precision;
    bool exact;    /* no convolution by an algorithm of several times the usual error (Winograd F(4×4)) */
    oc_team *team; /* borrowed; outlives the plan */
    oc_slab *slab; /* borrowed; outlives the plan */
    /* INFER: the working copies of the weights lie in the slab as well, and are made anew whenever another plan has
     * used that: for a plan that runs seldom beside one that needs the memory meanwhile. */
    bool yields;
    oc_plan_guide guide;
} oc_plan_options;

typedef struct oc_plan oc_plan;
/* `graph` is borrowed and outlives the plan. OC_E_USAGE, OC_E_COMPUTE, OC_E_MEMORY. */
oc_status oc_plan_create(oc_plan **out, const oc_graph *graph, const oc_plan_options *options, oc_error *err);
void oc_plan_destroy(oc_plan **plan);

/* Input [batch, C, H, W], f32, plain, written by the caller before forward. Valid until the slab grows by another
 * plan's creation: ask again each step. */
float *oc_plan_src(oc_plan *plan);
/* Output [batch, classes], f32, plain, valid after forward until the slab is used by another plan. */
const float *oc_plan_dst(const oc_plan *plan);
/* Gradient with respect to the output [batch, classes], written by the caller before backward. */
float *oc_plan_diff_dst(oc_plan *plan);

/* What drop_path and dropout draw in the next forward pass is a function of (seed, step, node) alone; 0, 0 until set.
 */
void oc_plan_set_draw(oc_plan *plan, uint64_t seed, int64_t step);

/* Computes dst from src. TRAIN mode updates the running statistics in weights->arena (not its version). */
oc_status oc_plan_forward(oc_plan *plan, oc_weights *weights, oc_error *err);
/* The same in INFER mode, with a look at the output of each layer: OC_E_NON_FINITE names the first with an infinity or
 * NaN, or "input". The last output need not show it: a ReLU makes zeros of NaN. */
oc_status oc_plan_forward_checked(oc_plan *plan, oc_weights *weights, oc_error *err);
/* After a forward in TRAIN mode: overwrites `gradients` (an arena like the weights', plain layout; entries of
 * running statistics and padding stay as they are) with the gradients of every parameter. */
oc_status oc_plan_backward(oc_plan *plan, const oc_weights *weights, float *gradients, oc_error *err);

/* Name of the first layer, in order of execution, whose output of the last forward holds an infinity or NaN:
 * "input", a layer's name (or its operator and place where it has none); NULL when all are finite. Only between a
 * TRAIN-mode forward and what next uses the slab. Slow: for error messages. */
const char *oc_plan_non_finite(oc_plan *plan);

/* Times of steps are collected only while on. */
void oc_plan_profile(oc_plan *plan, bool on);
void oc_plan_profile_reset(oc_plan *plan);
/* Its steps in the order of time: first what refreshes working copies, then forward, then backward. */
int oc_plan_steps(const oc_plan *plan);
oc_step_info oc_plan_step_info(const oc_plan *plan, int index);

/* The bare floor: executes once, back to back, what convolutions and linear layers compute in the plan's passes, by the
 * algorithms chosen and with what is fused into them, and nothing else: no packing of filters, no other operator. For
 * measuring alone, after a forward pass (in TRAIN mode and a backward pass) that nothing else has used the slab since:
 * operands hold whatever lies there now, outputs and gradients are overwritten, parameters are not. OC_E_COMPUTE. */
oc_status oc_plan_run_products(oc_plan *plan, oc_error *err);

/* How many of its operations nobody has a good way to compute here (oc_primitive_is_slow): "slow" in its description.
 */
int oc_plan_slow_steps(const oc_plan *plan);

/* What the algorithm of a convolution's pass was chosen from, the chosen one first. */
typedef struct oc_plan_ranking {
    int node; /* place in the graph after rewriting */
    oc_conv_pass pass;
    oc_conv_ranking ranking;
} oc_plan_ranking;
/* One for each pass of each convolution, in the order in which the plan was made; owned by the plan. */
int oc_plan_rankings(const oc_plan *plan);
const oc_plan_ranking *oc_plan_ranking_at(const oc_plan *plan, int index);

/* What the bytes of the slab hold. */
typedef enum oc_plan_use {
    OC_USE_ACTIVATIONS, /* the batch, layers' results, and statistics */
    OC_USE_GRADIENTS,   /* of layers' results */
    OC_USE_WORKSPACES,  /* what else a forward pass keeps for its backward pass: masks, places in windows */
    OC_USE_SCRATCHPADS, /* of the step being computed */
    OC_USE_FILTERS,     /* packed for the step being computed */
    OC_USE_COPIES,      /* working copies of the weights, of a plan that yields */
    OC_USES
} oc_plan_use;

/* Where a plan's bytes are. */
typedef struct oc_plan_memory {
    size_t slab;          /* it takes of the slab */
    size_t live;          /* most that is alive at one moment; the rest of `slab` lies between buffers */
    size_t used[OC_USES]; /* what `live` consists of */
    size_t own;           /* working copies outside of the slab */
    const char *layer;    /* the step of that moment: whose; "" between the passes */
    const char *kind;     /* and what it is, "backward data" */
} oc_plan_memory;
oc_plan_memory oc_plan_memory_of(const oc_plan *plan);
/* "activations" */
const char *oc_plan_use_text(oc_plan_use use);

/* The plan's memory in a line, and its choices (implementation and layout of every primitive), one line each, for the
 * run folder. Appends to nothing: *out is a new string freed with oc_free. */
oc_status oc_plan_describe(const oc_plan *plan, char **out, oc_error *err);

#endif
