/* A moving average of weights: option ema.decay of the recipe. */
#ifndef OC_TRAIN_EMA_H
#define OC_TRAIN_EMA_H

#include "base/parallel.h"

/* average = decay·average + (1−decay)·weights over `count` floats: a whole arena, running statistics included, so that
 * the average is a model of its own (Izmailov et al., "Averaging weights leads to wider optima", UAI 2018, with an
 * exponential in place of the plain mean). decay in [0, 1). Bits do not depend on the team. */
void oc_ema_update(float *average, const float *weights, size_t count, double decay, oc_team *team);

#endif
