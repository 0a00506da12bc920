/* What happens to a convolution's result before it is written, in this order: the bias [channels] (NULL: none) is
 * added, then the post-ops; the i-th addition takes added[i], a map that lies as the result does and may be the
 * result's own. */
#ifndef OC_KERNELS_FINISH_H
#define OC_KERNELS_FINISH_H

#define OC_FINISH_POSTS_MAX 4

typedef enum oc_finish_post { OC_FINISH_RELU, OC_FINISH_ADD } oc_finish_post;

typedef struct oc_finish {
    const float *bias;
    int posts;
    oc_finish_post post[OC_FINISH_POSTS_MAX];
    const void *added[OC_FINISH_POSTS_MAX];
} oc_finish;

#endif
