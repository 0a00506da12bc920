/* A convolution's results on their way out (finish.h), a vector at a time. For the sources of this folder only. */
#ifndef OC_KERNELS_FINISHED_H
#define OC_KERNELS_FINISHED_H

#include "kernels/finish.h"
#include "kernels/map.h"
#include "kernels/stored.h"

/* The bias of a block of the level's lanes; zeros where there is none. */
OC_INLINE oc_floats oc_bias_of(const oc_finish *finish, const oc_map *map, int64_t block) {
    oc_floats bias = {0};
    for (int64_t c = 0; finish->bias && c < OC_LANES && block * OC_LANES + c < map->channels; c++)
        bias[c] = finish->bias[block * OC_LANES + c];
    return bias;
}

/* What a result with its bias becomes; it is written at number `at` of the map. */
OC_INLINE oc_floats oc_finished(const oc_finish *finish, oc_floats value, int64_t at) {
    for (int i = 0, adds = 0; i < finish->posts; i++) {
        if (finish->post[i] == OC_FINISH_RELU)
            value = oc_relu(value);
        else
            value += oc_load_stored((const oc_stored *)finish->added[adds++] + at);
    }
    return value;
}

#endif
