/* Reports: what runs, studies and ensembles came to, as numbers and as one page for a browser (docs/report.md). */
#ifndef OCELLI_REPORT_H
#define OCELLI_REPORT_H

#include "ocelli/ocelli.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What may be computed for a report. All zero: the defaults that are named. */
typedef struct oc_report_options {
    /* The data set on whose validation images best weights are evaluated, where that has not been done: a path. NULL:
     * that which each run was trained on. */
    const char *data;
    bool stored;          /* nothing is computed: of best weights, what is kept of an evaluation is shown */
    int threads;          /* 0: all */
    const char *cache;    /* packed cache's folder; NULL: the user's */
    bool skip_bad;        /* leave undecodable images out */
    oc_progress progress; /* decoding, evaluating */
    oc_log log;           /* told what is worth knowing */
} oc_report_options;

/* *json = what docs/report.md describes of the runs in `paths` (`count` of them: folders of runs, ensembles, studies,
 * or of such folders), freed with oc_report_free. The best weights of each (of more than eight runs, of the best eight)
 * are evaluated on the validation images, where there is no evaluation.json of them; it is kept in the run's folder if
 * that can be written to. A run that cannot be read is in "left_out", with the reason. `options` may be NULL: zeros.
 * OC_E_USAGE for no path; OC_E_NOT_FOUND: a path is absent, or no run is found in one; OC_E_STOPPED when
 * options->progress asks to stop; OC_E_MEMORY. */
OC_API oc_status oc_report_json(char **json, const char *const *paths, size_t count, const oc_report_options *options,
                                oc_error *err);
/* Frees what oc_report_json gave; takes NULL. */
OC_API void oc_report_free(char *json);

/* Writes the page of the same into the file `path`, atomically: self-contained, for file:// and without a network. What
 * oc_report_json fails with; OC_E_IO. */
OC_API oc_status oc_report_write(const char *path, const char *const *paths, size_t count,
                                 const oc_report_options *options, oc_error *err);

#ifdef __cplusplus
}
#endif

#endif
