/* Convolutions: cross-correlation as in PyTorch, in three passes, each done by the algorithm that is estimated to be
 * the quickest of those that support it. No convolution is refused: the last algorithm of the table supports
 * everything. */
#ifndef OC_COMPUTE_CONV_CONV_H
#define OC_COMPUTE_CONV_CONV_H

#include "compute/primitive.h"

typedef enum oc_conv_pass { OC_CONV_FORWARD, OC_CONV_BACKWARD_DATA, OC_CONV_BACKWARD_WEIGHTS } oc_conv_pass;

/* Post-ops: what happens to a convolution's result before it is written. */
typedef enum oc_post_kind { OC_POST_RELU, OC_POST_ADD } oc_post_kind;
#define OC_POSTS_MAX 4

typedef struct oc_conv_problem {
    oc_conv_pass pass;
    bool training;
    bool exact;                    /* no algorithm whose errors are several times those of a direct one */
    int64_t groups, kh, kw;        /* IC and OC are multiples of groups; filter of kh × kw */
    int64_t stride, pad, dilation; /* in both directions; dilation 1 is none. On the far side the padding is what the
                                      size of the result leaves */
    bool bias;                     /* forward: added; by weights: its gradient is wanted */
    int posts;                     /* forward in inference */
    oc_post_kind post[OC_POSTS_MAX];
    oc_layout src,
        dst; /* of the activations or of their gradients: [N, IC, H, W] and [N, OC, OH, OW], both f32 or both bf16 */
} oc_conv_problem;

typedef struct oc_conv_algorithm oc_conv_algorithm;

/* A way to compute a problem. */
typedef struct oc_conv_candidate {
    const oc_conv_algorithm *algorithm;
    oc_layout src;  /* in which it takes the source: as that arrives or blocked, whichever is estimated to be cheaper */
    double cost;    /* estimate, in the multiply-adds that the processor could do meanwhile at its peak */
    double seconds; /* measured; 0: not */
} oc_conv_candidate;

#define OC_CONV_CANDIDATES 16

/* All that support a problem: the chosen one first, then those that are measured, then the others by estimate. */
typedef struct oc_conv_ranking {
    oc_conv_candidate candidate[OC_CONV_CANDIDATES];
    int count;
} oc_conv_ranking;

typedef struct oc_tuner oc_tuner; /* tune.h */

/* Chooses for a problem whose src is in the layout in which it arrives: the algorithm `preferred` (NULL: none) if it
 * exists and supports the problem; else, with a tuner (NULL: none), the quickest by measurement; else the cheapest by
 * estimate. The conversion of the source is included (only a forward pass may convert: backward passes take src and dst
 * as they are). Sets problem->src to the layout to convert to. Without a tuner it cannot fail; OC_E_COMPUTE,
 * OC_E_MEMORY. */
oc_status oc_conv_choose(oc_conv_ranking *out, oc_engine *engine, oc_conv_problem *problem, const char *preferred,
                         oc_tuner *tuner, oc_error *err);

/* Makes the pass by `algorithm`, one that supports it. *pack (NULL where nothing is to be packed): slots WEIGHTS
 * (plain) and DST, to be executed whenever the weights have changed. OC_E_COMPUTE, OC_E_MEMORY. */
oc_status oc_conv_create(oc_primitive **out, oc_primitive **pack, oc_engine *engine, const char *layer,
                         const oc_conv_algorithm *algorithm, const oc_conv_problem *problem, oc_error *err);

const char *oc_conv_algorithm_name(const oc_conv_algorithm *algorithm);
/* Whether it is the algorithm for what no other supports. */
bool oc_conv_algorithm_is_last(const oc_conv_algorithm *algorithm);

#endif
