/* A primitive: one operation of oneDNN's or of our own on given layouts, with everything that it needs prepared, so
 * that executing it allocates nothing. Its arguments are told apart by slots; memory is bound to them, and bound again
 * when it moves. */
#ifndef OC_COMPUTE_PRIMITIVE_H
#define OC_COMPUTE_PRIMITIVE_H

#include "compute/engine.h"
#include "compute/layout.h"

typedef enum oc_slot {
    OC_SLOT_SRC,
    OC_SLOT_SRC_1, /* more sources: of sums, and the addends of a convolution's post-ops */
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
    OC_SLOT_DIFF_MEAN, /* the gradient of a mean over the result's pixels, beside DIFF_DST */
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

/* What random primitives key their numbers by, beside their own place: read whenever they are executed. */
typedef struct oc_draw {
    uint64_t seed;
    int64_t step;
} oc_draw;

typedef struct oc_primitive oc_primitive;
void oc_primitive_destroy(oc_primitive **primitive);

/* Layout of the memory that a slot takes; absent where the slot is not used. */
const oc_layout *oc_primitive_layout(const oc_primitive *primitive, oc_slot slot);

/* Binds a used slot to memory of oc_layout_bytes, at a multiple of 64 for activations, packed filters and scratchpads.
 * In every blocked layout that a primitive reads the padding is zero, and it leaves it zero in what it writes.
 * OC_E_COMPUTE. */
oc_status oc_primitive_bind(oc_primitive *primitive, oc_slot slot, void *data, oc_error *err);

/* Executes it; every used slot is bound. The team has been entered. OC_E_COMPUTE naming the layer. */
oc_status oc_primitive_execute(oc_primitive *primitive, oc_error *err);

/* The algorithm's name: of a convolution its row in the table, of the rest the implementation. */
const char *oc_primitive_algorithm(const oc_primitive *primitive);
/* oneDNN's name of the implementation, "own" of our own. */
const char *oc_primitive_implementation(const oc_primitive *primitive);
/* Whether nobody has a good way to compute it here: plain loops or oneDNN's reference implementation, tens of times
 * slower than usual. */
bool oc_primitive_is_slow(const oc_primitive *primitive);
/* What it does, "convolution forward". */
const char *oc_primitive_what(const oc_primitive *primitive);

#endif
