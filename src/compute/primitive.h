/* A piece of work: a oneDNN primitive or a kernel of our own, with every argument object built beforehand, so that
 * running it allocates nothing. Arguments are told apart by slots; memory is bound to them, and bound again when it
 * moves. */
#ifndef OC_COMPUTE_PRIMITIVE_H
#define OC_COMPUTE_PRIMITIVE_H

#include "compute/engine.h"
#include "compute/layout.h"

typedef enum oc_slot {
    OC_SLOT_SRC,
    OC_SLOT_SRC_1, /* more sources: of sums, and of what is added behind a convolution */
    OC_SLOT_SRC_2,
    OC_SLOT_SRC_3,
    OC_SLOT_SRC_4,
    OC_SLOT_SRC_5,
    OC_SLOT_WEIGHTS,
    OC_SLOT_BIAS,
    OC_SLOT_SCALE,
    OC_SLOT_SHIFT,
    OC_SLOT_MEAN,
    OC_SLOT_VARIANCE,
    OC_SLOT_WORKSPACE, /* what a forward pass keeps for its backward pass */
    OC_SLOT_DST,
    OC_SLOT_DST_1,
    OC_SLOT_DIFF_DST,
    OC_SLOT_DIFF_SRC,
    OC_SLOT_DIFF_SRC_1, /* gradients of the sources SRC_1 and SRC_2 */
    OC_SLOT_DIFF_SRC_2,
    OC_SLOT_DIFF_WEIGHTS,
    OC_SLOT_DIFF_BIAS,
    OC_SLOT_DIFF_SCALE,
    OC_SLOT_DIFF_SHIFT,
    OC_SLOT_SCRATCHPAD,
    OC_SLOT_DRAW, /* one oc_draw */
    OC_SLOTS
} oc_slot;

/* What random work keys its numbers by, beside its own place: read whenever it runs. */
typedef struct oc_draw {
    uint64_t seed;
    int64_t step;
} oc_draw;

typedef struct oc_primitive oc_primitive;
void oc_primitive_destroy(oc_primitive **work);

/* Layout of what a slot takes, chosen where creation left it open; absent where the slot is not used. */
const oc_layout *oc_primitive_layout(const oc_primitive *work, oc_slot slot);

/* Binds a used slot to memory of oc_layout_bytes, at a multiple of 64 for activations and working copies. Bytes of
 * padding in blocked layouts are set to zero. OC_E_COMPUTE. */
oc_status oc_primitive_bind(oc_primitive *work, oc_slot slot, void *data, oc_error *err);

/* Runs it; every used slot is bound. The team has been entered. OC_E_COMPUTE naming the layer. */
oc_status oc_primitive_run(oc_primitive *work, oc_error *err);

/* oneDNN's name of the implementation; of our own kernels "winograd" or "own". */
const char *oc_primitive_impl(const oc_primitive *work);
/* What it does, "convolution forward". */
const char *oc_primitive_what(const oc_primitive *work);

#endif
