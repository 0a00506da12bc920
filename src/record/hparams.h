/* What TensorBoard's HParams plugin is told of a run: its settings, which scalars are its metrics, and its end. */
#ifndef OC_RECORD_HPARAMS_H
#define OC_RECORD_HPARAMS_H

#include "record/events.h"

/* Tags of the scalars that are metrics; the plugin shows the last value of each. */
#define OC_TAG_TRAIN_LOSS "loss/train_epoch"
#define OC_TAG_VAL_LOSS "loss/validation"
#define OC_TAG_VAL_TOP1 "top1/validation"
#define OC_TAG_VAL_TOP5 "top5/validation"

/* Writes the experiment (of which the plugin takes that of any run, so it says nothing of this one's values) and the
 * start of the session with the settings. */
oc_status oc_hparams_write_start(oc_events *events, const oc_hparam *hparams, size_t count, oc_error *err);
/* Writes the end of the session, as a success. */
oc_status oc_hparams_write_end(oc_events *events, oc_error *err);

#endif
