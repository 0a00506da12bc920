/* run.json: what a run needs to be made again and cannot say in its recipe: how it was started, on which machine, by
 * which version, on which data; and how much memory it took. */
#ifndef OC_RECORD_ABOUT_H
#define OC_RECORD_ABOUT_H

#include "ocelli/base.h"

#define OC_ABOUT_FILE "run.json"

/* What is known when a run or a fit starts. Texts are borrowed for the call. */
typedef struct oc_about_start {
    const char *command; /* as it was typed; NULL: not told */
    const oc_system *system;
    int threads;           /* that compute */
    int64_t step;          /* steps done before */
    int64_t epochs, steps; /* of the whole run */
    const char *model;     /* of an ensemble: its method */
    int64_t parameters, macs;
    int64_t size;                             /* of the input */
    const char *data_path, *data_fingerprint; /* fingerprint NULL: not known */
    double holdout;                           /* how it was opened, as oc_dataset_options has it */
    const char *validates_on;
    int64_t classes, train, val; /* images of the splits */
    int64_t left_out;            /* of what lies in the data set, what one would have expected to be read */
} oc_about_start;

typedef struct oc_about oc_about;

/* Adds a start to run.json in `folder` and writes it; one that is damaged, not there, or of a run that starts again at
 * step 0 is begun anew. OC_E_IO, OC_E_MEMORY. *out is ended with oc_about_destroy. */
oc_status oc_about_create(oc_about **out, const char *folder, const oc_about_start *start, oc_error *err);
/* Writes the most memory that the process has taken, where it is more than what the file says. */
oc_status oc_about_memory(oc_about *about, oc_error *err);
void oc_about_destroy(oc_about **about);

#endif
