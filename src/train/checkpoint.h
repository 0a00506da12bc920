/* The state of a run in one file, state.safetensors: everything that decides what comes next. It is the one truth of a
 * run folder: a run is resumed from it alone, and every other file is brought in line with it. */
#ifndef OC_TRAIN_CHECKPOINT_H
#define OC_TRAIN_CHECKPOINT_H

#include "tensor/safetensors.h"

/* Where a run is. The sampler's position is `step` (its order is a function of seed and epoch). The seconds are for
 * the records only: nothing that decides the weights reads them. */
typedef struct oc_position {
    int64_t step;                              /* steps done */
    int64_t metrics_rows;                      /* validations done, each a row of metrics.csv */
    int64_t epoch_images;                      /* trained on in this epoch */
    double epoch_loss, epoch_top1, epoch_top5; /* sums over them */
    double last_lr, last_loss;                 /* of the last step; NaN before the first */
    double val_loss, val_top1, val_top5;       /* of the last validation; NaN before the first */
    double best_top1;                          /* NaN before the first */
    double data, forward, backward, optimizer; /* seconds of this epoch in each part */
    double epoch_seconds, elapsed_seconds;     /* of this epoch and of the run */
} oc_position;

/* Nothing done yet. */
oc_position oc_position_start(void);

/* An array of floats that belongs to the state: weights, average, the optimizer's moments. */
typedef struct oc_state_arena {
    const char *name;
    float *data;
    size_t count;
} oc_state_arena;

/* Writes the state, atomically, with a checksum. `about` (recipe, threads, …) is kept as metadata. OC_E_IO: the
 * previous state is as it was. */
oc_status oc_checkpoint_write(const char *path, const oc_position *position, const oc_state_arena *arenas,
                              size_t arena_count, const oc_metadata *about, size_t about_count, oc_error *err);

typedef struct oc_checkpoint oc_checkpoint;
/* Opens and checks a state. OC_E_NOT_FOUND; OC_E_FORMAT for a damaged file or another kind of file. */
oc_status oc_checkpoint_open(oc_checkpoint **out, const char *path, oc_error *err);
void oc_checkpoint_destroy(oc_checkpoint **checkpoint);
/* A value of `about`, or NULL. Owned by the checkpoint. */
const char *oc_checkpoint_about(const oc_checkpoint *checkpoint, const char *key);
oc_position oc_checkpoint_position(const oc_checkpoint *checkpoint);
/* Fills the arenas. OC_E_MISMATCH when one is missing or of another length; none is touched then. */
oc_status oc_checkpoint_load(const oc_checkpoint *checkpoint, const oc_state_arena *arenas, size_t count,
                             oc_error *err);

#endif
