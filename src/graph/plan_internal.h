/* Inside the plan: buffers, steps, and the state of lowering. */
#ifndef OC_GRAPH_PLAN_INTERNAL_H
#define OC_GRAPH_PLAN_INTERNAL_H

#include "base/text.h"
#include "graph/op.h"
#include "graph/plan.h"

struct oc_slab {
    unsigned char *data;
    size_t bytes;
    const oc_plan *user; /* whose contents it holds; NULL: nobody's */
};

/* Grows it to at least `bytes`; what was in it is lost. */
oc_status oc_slab_reserve(oc_slab *slab, size_t bytes, oc_error *err);

typedef enum oc_space { OC_SPACE_SLAB, OC_SPACE_OWN, OC_SPACE_WEIGHTS, OC_SPACE_GRADIENTS, OC_SPACES } oc_space;

#define OC_IN_PLACE_MAX 3

typedef struct oc_buffer_info {
    oc_space space;
    oc_plan_use use;                 /* in the slab */
    oc_dtype dtype;                  /* of what lies in the slab */
    size_t bytes, offset;            /* in bytes, from the space's base */
    int first, last;                 /* moments in which it holds something; last −1: never used */
    oc_buffer over[OC_IN_PLACE_MAX]; /* buffers it may take the place of */
    int overs;
    oc_buffer root; /* the buffer whose place it shares; itself otherwise */
} oc_buffer_info;

#define OC_STEP_OPERANDS 16

typedef struct oc_plan_step {
    int node;
    oc_step_kind kind;
    oc_primitive *primitive;
    oc_operand operand[OC_STEP_OPERANDS];
    int operands;
    double seconds;
} oc_plan_step;

/* In the order of time. */
typedef enum oc_pass { OC_PASS_REFRESH, OC_PASS_FORWARD, OC_PASS_BACKWARD, OC_PASSES } oc_pass;

typedef struct oc_steps {
    oc_plan_step *step;
    int count;
    size_t capacity;
} oc_steps;

struct oc_plan {
    oc_graph *graph; /* rewritten for the mode */
    oc_plan_options options;
    oc_engine *engine;
    oc_steps pass[OC_PASSES];
    oc_buffer_info *buffer;
    int buffers;
    size_t buffer_capacity;
    oc_buffer *value; /* buffer of each node's output */
    bool *wants_diff; /* of each node's output */
    oc_buffer src, dst, diff_dst;
    oc_buffer draw;     /* −1 where nothing is random */
    unsigned char *own; /* working copies */
    size_t own_bytes, slab_bytes;
    void *base[OC_SPACES]; /* as bound */
    /* What the working copies were made from. */
    bool fresh;
    uint64_t version;
    float *statistics; /* running statistics as last seen, NULL when no copy is made from them */
    bool profile;
    char text[64];
    oc_plan_ranking *ranking;
    int rankings;
    size_t ranking_capacity;
};

/* State while the plan is made. */
typedef struct oc_variant { /* a value, gradient or tensor that exists in one more layout */
    int of;
    oc_layout layout;
    oc_buffer buffer;
} oc_variant;

typedef struct oc_variants {
    oc_variant *item;
    int count;
    size_t capacity;
} oc_variants;

typedef struct oc_lower_value {
    oc_layout layout;
    oc_lowered lowered;
    oc_buffer diff; /* the finished gradient, −1 until someone asks */
} oc_lower_value;

struct oc_lower {
    oc_plan *plan;
    oc_pass pass; /* being lowered */
    oc_lower_value *value;
    oc_variants values, contributions;
    oc_text_list unheeded; /* choices of the guide's that could not be taken */
    oc_status status;
    oc_error *err;
};

/* Lowers every node of plan->graph to steps and buffers. */
oc_status oc_plan_lower(oc_plan *plan, oc_error *err);

/* Settles offsets of slab buffers and working copies, slab_bytes and own_bytes. OC_E_MEMORY when they overflow. */
oc_status oc_plan_place(oc_plan *plan, oc_error *err);

/* The buffer whose place a buffer shares, itself where it has its own. */
oc_buffer oc_plan_root(const oc_plan *plan, oc_buffer buffer);

/* Binds the weights and makes the working copies of them anew where they have changed. */
oc_status oc_plan_prepare(oc_plan *plan, const oc_weights *weights, oc_error *err);

/* Where a buffer lies now. */
void *oc_plan_at(const oc_plan *plan, oc_buffer buffer);

/* The algorithm of a layer's step in the text of an earlier plan (NULL: none), into text[size]; NULL when there is
 * none.
 */
const char *oc_plan_choice(const char *plan, const char *layer, oc_step_kind kind, char *text, size_t size);

/* Says in the guide's log which choices of its text were not taken, if there are any; closes the list. */
oc_status oc_plan_tell_unheeded(const oc_plan *plan, oc_text_list *unheeded, oc_error *err);

#endif
