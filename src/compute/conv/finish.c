/* Bias and post-ops for our own kernels. */
#include "compute/conv/finish.h"

#include <assert.h>

#include "compute/conv/algorithm.h"
#include "compute/internal.h"

static_assert(OC_FINISH_POSTS_MAX >= OC_POSTS_MAX, "the kernels take as many post-ops as a convolution has");

oc_conv_posts oc_conv_posts_of(const oc_conv_problem *problem, oc_primitive *primitive) {
    oc_conv_posts posts = {.count = problem->posts};
    if (problem->bias) primitive->layout[OC_SLOT_BIAS] = oc_conv_bias_layout(problem);
    for (int i = 0, addends = 0; i < problem->posts; i++) {
        posts.kind[i] = problem->post[i];
        if (problem->post[i] == OC_POST_ADD) primitive->layout[OC_SLOT_SRC_1 + addends++] = problem->dst;
    }
    return posts;
}

oc_finish oc_conv_finish(const oc_primitive *primitive, const oc_conv_posts *posts) {
    oc_finish finish = {.bias = primitive->data[OC_SLOT_BIAS], .posts = posts->count};
    for (int i = 0, addends = 0; i < posts->count; i++) {
        finish.post[i] = posts->kind[i] == OC_POST_RELU ? OC_FINISH_RELU : OC_FINISH_ADD;
        if (posts->kind[i] != OC_POST_ADD) continue;
        finish.added[addends] = primitive->data[OC_SLOT_SRC_1 + addends];
        addends++;
    }
    return finish;
}
