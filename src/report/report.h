/* The inside of a report: what its files ask of each other. All JSON is as docs/report.md has it. */
#ifndef OC_REPORT_REPORT_H
#define OC_REPORT_REPORT_H

#include "base/json.h"
#include "data/pack.h"
#include "eval/scores.h"
#include "ocelli/report.h"

/* ---- one folder (run.c) ---- */

typedef enum oc_folder_kind { OC_FOLDER_OTHER, OC_FOLDER_RUN, OC_FOLDER_ENSEMBLE } oc_folder_kind;
/* What a folder is, by the files in it. */
oc_folder_kind oc_report_folder_kind(const char *path);

/* *out = RUN of a run's or an ensemble's folder, without its evaluation; released with json_decref. OC_E_FORMAT for
 * records that are damaged, OC_E_IO, OC_E_MEMORY. */
oc_status oc_report_run(json_t **out, const char *folder, oc_error *err);

/* ---- evaluating (evaluation.c) ---- */

/* Data sets that are open, so that runs on the same one share it. Start from {0}. */
typedef struct oc_report_data {
    struct oc_report_dataset *set;
    size_t count, capacity;
} oc_report_data;
void oc_report_data_close(oc_report_data *data);

/* Sets "evaluation" of `run`, or "evaluation_missing" to why there is none: from evaluation.json where that is of the
 * folder's best weights, else, unless options->stored, computed and kept there. OC_E_STOPPED, OC_E_MEMORY. */
oc_status oc_report_evaluate(json_t *run, oc_report_data *data, const oc_report_options *options, oc_error *err);

/* ---- what an evaluation consists of (figures.c, order.c) ---- */

/* What the figures are of: scores of every image of `pack`, in its order. */
typedef struct oc_figures_source {
    const oc_scores *scores;
    const oc_names *classes; /* the model's */
    const oc_dataset *dataset;
    const oc_pack *pack;
    double smoothing; /* of the loss */
} oc_figures_source;
/* *out = EVALUATION; released with json_decref. OC_E_MEMORY. */
oc_status oc_figures_json(json_t **out, const oc_figures_source *source, oc_error *err);

/* order[classes] = all classes, those that are taken for each other side by side: the leaves of a clustering by average
 * linkage (Sokal and Michener, 1958) of how often one is guessed for the other, confusion [classes, classes]. A
 * function of its numbers; beyond 4096 classes they stay as they are. OC_E_MEMORY. */
oc_status oc_similar_order(int32_t *order, const int64_t *confusion, int64_t classes, oc_error *err);

#endif
