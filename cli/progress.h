/* How far a long task is: a bar on a terminal, plain lines now and then elsewhere; to standard error. */
#ifndef OC_CLI_PROGRESS_H
#define OC_CLI_PROGRESS_H

#include "ocelli/ocelli.h"

typedef struct oc_bar {
    bool terminal;            /* standard error is one */
    bool shown;               /* a bar stands on the current line */
    double began, last;       /* seconds: start of this task, last line */
    double rated;             /* when the rate was last looked at */
    int64_t rated_done;       /* and how far the task was */
    double rate;              /* a second, of late; 0: not known yet */
    char what[64];            /* the task */
    const volatile int *stop; /* set when the user asked to stop; may be NULL */
} oc_bar;

/* Finds out whether standard error is a terminal. */
oc_bar oc_bar_make(const volatile int *stop);
/* Clears the bar, so that other lines can be printed. */
void oc_bar_clear(oc_bar *bar);

/* The library's callbacks with `bar` as user: tasks by counts, by bytes (which may begin in the middle, and again), log
 * lines, training steps. */
oc_progress oc_bar_progress(oc_bar *bar);
oc_progress oc_bar_bytes(oc_bar *bar);
oc_log oc_bar_log(oc_bar *bar);
void oc_bar_step(void *bar, const oc_train_status *status);

/* "2h03m", "4m05s", "12s"; text of at least 32 bytes, which is returned. */
const char *oc_span_text(double seconds, char *text);

#endif
