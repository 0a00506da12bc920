/* The records of a run: metrics.csv (per epoch), steps.csv (per step), TensorBoard events. All stay well-formed
 * across kills and resumes: a resume gives the state's step, and what was written after it is cut off. */
#ifndef OC_RECORD_RECORD_H
#define OC_RECORD_RECORD_H

#include "ocelli/base.h"

/* A row of metrics.csv. NaN is written as an empty field (training figures of the row before the first step). */
typedef struct oc_metrics {
    int64_t epoch; /* epochs done: 0 before the first step */
    int64_t step;  /* steps done */
    double train_loss, train_top1, train_top5;
    double val_loss, val_top1, val_top5;
    double lr; /* of the last step */
    double images_per_second;
    double seconds;                                                                      /* of this epoch */
    double elapsed_seconds;                                                              /* of the run */
    double share_data, share_forward, share_backward, share_optimizer, share_validation; /* of `seconds`, [0, 1] */
} oc_metrics;

/* First line of metrics.csv. */
extern const char oc_metrics_header[];

/* Reads a metrics.csv into *rows (freed with oc_free), NULL when it has none; a torn last line is left out. An empty
 * field, and a column that an earlier version did not write, is NaN. OC_E_NOT_FOUND, OC_E_IO, OC_E_FORMAT with
 * "file:line". */
oc_status oc_metrics_read(oc_metrics **rows, size_t *count, const char *path, oc_error *err);

/* What the rows of a metrics.csv say of a run; NaN and −1 where nothing. */
typedef struct oc_metrics_figures {
    int64_t epochs; /* done */
    double top1;    /* best on validation */
    int64_t best_epoch;
    double roughness, seconds, images_per_second;
} oc_metrics_figures;
oc_metrics_figures oc_metrics_figures_of(const oc_metrics *rows, size_t count);

/* A stretch of steps.csv: means of its steps. */
typedef struct oc_step_mean {
    int64_t step;    /* the last one of the stretch */
    double loss, lr; /* loss NaN where one of them is no number */
} oc_step_mean;

/* Reads a steps.csv as at most `most` stretches of equally many steps each, but for the last, into *means (freed with
 * oc_free); a torn last line is left out. OC_E_NOT_FOUND, OC_E_IO, OC_E_FORMAT with "file:line". */
oc_status oc_steps_read(oc_step_mean **means, size_t *count, size_t most, const char *path, oc_error *err);

typedef struct oc_record oc_record;

/* Opens the record in run folder `folder` at `step` steps and `metrics_rows` rows done: rows after them are cut
 * off, torn last lines too; a new events file is begun, with its SessionLog START where step > 0. */
oc_status oc_record_create(oc_record **out, const char *folder, int64_t step, int64_t metrics_rows, oc_error *err);
void oc_record_destroy(oc_record **record);
/* step counts from 1 (steps done). */
oc_status oc_record_step(oc_record *record, int64_t step, double loss, double lr, oc_error *err);
oc_status oc_record_epoch(oc_record *record, const oc_metrics *metrics, oc_error *err);

/* A setting of the run, as TensorBoard's HParams plugin lists it. */
typedef enum oc_hparam_type { OC_HPARAM_TEXT, OC_HPARAM_BOOL, OC_HPARAM_NUMBER } oc_hparam_type;
typedef struct oc_hparam {
    const char *name, *description;
    oc_hparam_type type;
    const char *text; /* of TEXT */
    double number;    /* of NUMBER; of BOOL 0 or 1 */
    bool given;       /* somebody chose the value: TensorBoard shows such settings first, and others on demand */
} oc_hparam;
/* Tells TensorBoard what the run is of, so that runs of one folder are listed side by side. Once a start: of several
 * TensorBoard takes the first. */
oc_status oc_record_begin(oc_record *record, const oc_hparam *hparams, size_t count, oc_error *err);
/* Tells TensorBoard that the run is complete; before the state that says so is saved. A run that was stopped, or has
 * failed, has no end: it can be gone on with, and of several ends TensorBoard takes the first. */
oc_status oc_record_end(oc_record *record, oc_error *err);

/* A picture for TensorBoard. Texts and bytes are borrowed for the call. */
typedef struct oc_record_image {
    const char *tag, *description; /* description: Markdown; of several of a tag TensorBoard shows the first */
    const void *png;               /* [size] */
    size_t size;
    int width, height;
} oc_record_image;
oc_status oc_record_picture(oc_record *record, int64_t step, const oc_record_image *image, oc_error *err);

/* Makes all of it durable; called before a state is saved. */
oc_status oc_record_sync(oc_record *record, oc_error *err);
/* What a line of log.txt begins with that is a warning. */
#define OC_LOG_WARNING "warning: "
/* Appends a line to log.txt. */
oc_status oc_record_log(oc_record *record, const char *line, oc_error *err);

#endif
