/* The runs in a folder, as they are now: a thread looks at the files of every run twice a second, counts changes, and
 * reads the runs anew when somebody asks and something has changed since. Nothing is read for nobody. */
#ifndef OC_SERVE_LIVE_H
#define OC_SERVE_LIVE_H

#include "base/text.h"

typedef struct oc_live oc_live;

/* Starts watching `folder`. `classify`: the page may link to the one that classifies. `notify` is called from the
 * watching thread when something has changed, or was read. OC_E_NOT_FOUND without the folder. */
oc_status oc_live_create(oc_live **out, const char *folder, bool classify, void (*notify)(void *user), void *user,
                         oc_error *err);
void oc_live_destroy(oc_live **live);

/* Grows by one with each change. */
uint64_t oc_live_version(oc_live *live);
/* Appends what is to be told to somebody who was told of version *seen (0: of nothing), as a server-sent event `runs`
 * whose data are {"version", "changed": [names of runs]}, and moves *seen. Nothing where there is nothing new.
 * OC_E_MEMORY. */
oc_status oc_live_event(oc_live *live, uint64_t *seen, oc_text *out, oc_error *err);

typedef enum oc_live_state { OC_LIVE_READY, OC_LIVE_READING, OC_LIVE_FAILED } oc_live_state;
/* Appends the runs as JSON, as docs/report.md has them, with "live": true and "classify". READING: they are being read,
 * ask again when notified. FAILED: *err says why. */
oc_live_state oc_live_read(oc_live *live, oc_text *out, oc_error *err);

#endif
