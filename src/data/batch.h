/* Batches: which samples, in which order, augmented how; a pure function of (options, epoch, batch), whatever the
 * number of threads. There are no loader threads: the team that computes the step fills the batch before it. */
#ifndef OC_DATA_BATCH_H
#define OC_DATA_BATCH_H

#include "base/parallel.h"
#include "data/pack.h"

typedef struct oc_batch_options {
    int64_t batch_size;
    int64_t size;       /* S: rows are [3, S, S] */
    bool augment;       /* resized crop, flip, colour jitter; false: as oc_augmentation_plain has it */
    bool mirror;        /* without augment: every image is flipped left to right */
    bool shuffle;       /* a new permutation each epoch from (seed, epoch) */
    bool drop_last;     /* training: the partial last batch is dropped */
    double mixup_alpha; /* 0: none */
    uint64_t seed;
    float mean[3], std[3]; /* applied last, on [0, 1] */
} oc_batch_options;

/* Targets of `rows` rows: y₁ = label[i] with weight lambda, y₂ = mixed[i] with 1−lambda. Without mixup lambda = 1. */
typedef struct oc_targets {
    int64_t rows;
    double lambda;
    int32_t *label, *mixed; /* [batch_size] */
    uint32_t *sample;       /* [batch_size]: place in the pack */
} oc_targets;

/* OC_E_USAGE, naming the recipe's key, for options out of their range or, with drop_last, fewer `images` than one batch
 * takes. */
oc_status oc_batch_options_check(const oc_batch_options *options, int64_t images, oc_error *err);

typedef struct oc_batcher oc_batcher;
/* `pack` and `team` are borrowed. OC_E_USAGE: as oc_batch_options_check. */
oc_status oc_batcher_create(oc_batcher **out, const oc_pack *pack, const oc_batch_options *options, oc_team *team,
                            oc_error *err);
void oc_batcher_destroy(oc_batcher **batcher);
/* Batches in an epoch. */
int64_t oc_batcher_count(const oc_batcher *batcher);
/* Fills dst [batch_size, 3, S, S] (rows past targets->rows are zeroed) for batch `index` of `epoch` (both from 0)
 * and points *targets at the batcher's own arrays, valid until the next call. Asks the system for the next batch's
 * pages. Allocates nothing. */
void oc_batcher_fill(oc_batcher *batcher, int64_t epoch, int64_t index, float *dst, oc_targets *targets);

#endif
