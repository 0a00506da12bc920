/* TensorBoard's event file: frames of a length, its checksum, a serialized event, its checksum
 * (https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details). */
#ifndef OC_RECORD_EVENTS_H
#define OC_RECORD_EVENTS_H

#include "record/record.h"

typedef struct oc_events oc_events;

typedef struct oc_scalar {
    const char *tag; /* "loss/train" */
    double value;    /* NaN: left out */
} oc_scalar;

/* Begins a new file events.out.tfevents.<seconds>.<host>.<process> in `folder` (exists), with the file version and a
 * START of a session that goes on after `step` steps: TensorBoard drops what earlier files hold beyond it. */
oc_status oc_events_create(oc_events **out, const char *folder, int64_t step, oc_error *err);
void oc_events_destroy(oc_events **events);
/* Writes the scalars that are not NaN as one event, of at most OC_EVENT_SCALARS. */
#define OC_EVENT_SCALARS 16
oc_status oc_events_write(oc_events *events, int64_t step, const oc_scalar *scalars, size_t count, oc_error *err);
/* Writes what `plugin` is told under `tag` (an event of step 0): `size` bytes of its own making. */
oc_status oc_events_write_data(oc_events *events, const char *tag, const char *plugin, const void *content, size_t size,
                               oc_error *err);
/* Writes an image, in the form that every reader of these files understands. */
oc_status oc_events_write_image(oc_events *events, int64_t step, const oc_record_image *image, oc_error *err);
/* Seconds since 1970, as events have them. */
double oc_events_now(void);
oc_status oc_events_sync(oc_events *events, oc_error *err);

#endif
