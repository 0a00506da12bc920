/* Watches the steps of a run from a thread of its own, and tells of one that takes far longer than those before it
 * while it still does: a run that hangs would otherwise be silent for ever. */
#ifndef OC_TRAIN_WATCHDOG_H
#define OC_TRAIN_WATCHDOG_H

#include "ocelli/base.h"

typedef struct oc_watchdog oc_watchdog;

/* What is told of, all of them > 0. */
typedef struct oc_watchdog_limits {
    double factor;  /* a step that takes this many times the median of the steps before, */
    double seconds; /* and no less than this, which is also how often the thread looks; */
    double first;   /* while there are too few steps for a median: one that takes so many seconds */
} oc_watchdog_limits;

/* Told once of a step at most: it has taken `seconds`, and is `running` still; `median` in seconds, 0: too few steps
 * for one. Called between oc_watchdog_begin and the return of oc_watchdog_end, from the watchdog's thread where the
 * step is running, and from the caller's of oc_watchdog_end where that came first. */
typedef void (*oc_watchdog_fn)(void *user, int64_t step, double seconds, double median, bool running);

/* Starts the thread, which sleeps but for a glance now and then. Where the system lets none start, steps are told of
 * when they end. OC_E_MEMORY. The caller destroys it, which ends the thread. */
oc_status oc_watchdog_create(oc_watchdog **out, const oc_watchdog_limits *limits, oc_watchdog_fn fn, void *user,
                             oc_error *err);
/* Takes NULL; sets NULL. */
void oc_watchdog_destroy(oc_watchdog **watchdog);

/* A step begins; it ends, or has failed. From one thread at a time; what `fn` reads of the caller's stays as it is in
 * between. */
void oc_watchdog_begin(oc_watchdog *watchdog, int64_t step);
void oc_watchdog_end(oc_watchdog *watchdog);

#endif
