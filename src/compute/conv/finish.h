/* Bias and post-ops of a forward pass by our own kernels: what slots they take, and how the kernels see them. */
#ifndef OC_COMPUTE_CONV_FINISH_H
#define OC_COMPUTE_CONV_FINISH_H

#include "compute/conv/conv.h"
#include "kernels/finish.h"

/* A problem's post-ops, for a primitive to keep. */
typedef struct oc_conv_posts {
    int count;
    oc_post_kind kind[OC_POSTS_MAX];
} oc_conv_posts;

/* Takes the problem's, and gives the primitive the layouts of BIAS and of SRC_1 …. */
oc_conv_posts oc_conv_posts_of(const oc_conv_problem *problem, oc_primitive *primitive);
/* They and the bias with what is bound to the primitive's slots. */
oc_finish oc_conv_finish(const oc_primitive *primitive, const oc_conv_posts *posts);

#endif
