/* The records of a run, kept in step with its state. */
#include "record/record.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "record/csv.h"
#include "record/events.h"
#include "record/hparams.h"

#define LOG_LINE_LIMIT 8192

static const char steps_header[] = "step,loss,lr";

struct oc_record {
    oc_file_appender *metrics, *steps, *log;
    oc_events *events;
};

/* Opens log.txt after its last whole line. */
static oc_status open_log(oc_file_appender **out, const char *path, oc_error *err) {
    oc_status status = OC_OK;
    oc_mapping mapping = {0};
    size_t size = 0;
    if (oc_path_exists(path)) {
        OC_TRY(oc_mapping_open(&mapping, path, err));
        size = mapping.size;
        while (size > 0 && mapping.data[size - 1] != '\n') size--;
        oc_mapping_close(&mapping);
    }
    OC_TRY(oc_file_appender_create(out, path, size, err));
cleanup:
    return status;
}

oc_status oc_record_create(oc_record **out, const char *folder, int64_t step, int64_t metrics_rows, oc_error *err) {
    oc_status status = OC_OK;
    oc_record *record = NULL;
    char *metrics = NULL, *steps = NULL, *log = NULL;
    *out = NULL;
    OC_TRY(oc_alloc(&record, 1, sizeof *record, err));
    OC_TRY(oc_path_join(&metrics, folder, "metrics.csv", err));
    OC_TRY(oc_path_join(&steps, folder, "steps.csv", err));
    OC_TRY(oc_path_join(&log, folder, "log.txt", err));
    OC_TRY(oc_csv_create(&record->metrics, metrics, oc_metrics_header, (oc_csv_keep){.rows = metrics_rows, .step = -1},
                         err));
    OC_TRY(oc_csv_create(&record->steps, steps, steps_header, (oc_csv_keep){.rows = -1, .step = step}, err));
    OC_TRY(open_log(&record->log, log, err));
    OC_TRY(oc_events_create(&record->events, folder, step, err));
    *out = record;
    record = NULL;
cleanup:
    oc_free(metrics);
    oc_free(steps);
    oc_free(log);
    oc_record_destroy(&record);
    return status;
}

void oc_record_destroy(oc_record **record) {
    if (!*record) return;
    oc_file_appender_destroy(&(*record)->metrics);
    oc_file_appender_destroy(&(*record)->steps);
    oc_file_appender_destroy(&(*record)->log);
    oc_events_destroy(&(*record)->events);
    oc_free(*record);
    *record = NULL;
}

oc_status oc_record_step(oc_record *record, int64_t step, double loss, double lr, oc_error *err) {
    oc_status status = OC_OK;
    const oc_scalar scalars[] = {{"loss/train", loss}, {"lr", lr}};
    OC_TRY(oc_csv_append(record->steps, &step, 1, (const double[]){loss, lr}, 2, err));
    OC_TRY(oc_events_write(record->events, step, scalars, sizeof scalars / sizeof scalars[0], err));
cleanup:
    return status;
}

oc_status oc_record_epoch(oc_record *record, const oc_metrics *m, oc_error *err) {
    oc_status status = OC_OK;
    const int64_t integers[] = {m->epoch, m->step};
    const double reals[] = {m->train_loss,
                            m->train_top1,
                            m->train_top5,
                            m->val_loss,
                            m->val_top1,
                            m->val_top5,
                            m->lr,
                            m->images_per_second,
                            m->seconds,
                            m->elapsed_seconds,
                            m->share_data,
                            m->share_forward,
                            m->share_backward,
                            m->share_optimizer,
                            m->share_validation};
    /* The training loss of every step is there already; "epoch" lets the average stand beside the validation's. */
    const oc_scalar scalars[] = {{OC_TAG_TRAIN_LOSS, m->train_loss},
                                 {OC_TAG_VAL_LOSS, m->val_loss},
                                 {"top1/train", m->train_top1},
                                 {OC_TAG_VAL_TOP1, m->val_top1},
                                 {"top5/train", m->train_top5},
                                 {OC_TAG_VAL_TOP5, m->val_top5},
                                 {"images_per_second", m->images_per_second}};
    OC_TRY(oc_csv_append(record->metrics, integers, 2, reals, sizeof reals / sizeof reals[0], err));
    OC_TRY(oc_events_write(record->events, m->step, scalars, sizeof scalars / sizeof scalars[0], err));
cleanup:
    return status;
}

oc_status oc_record_begin(oc_record *record, const oc_hparam *hparams, size_t count, oc_error *err) {
    return oc_hparams_write_start(record->events, hparams, count, err);
}

oc_status oc_record_end(oc_record *record, oc_error *err) {
    return oc_hparams_write_end(record->events, err);
}

oc_status oc_record_picture(oc_record *record, int64_t step, const oc_record_image *image, oc_error *err) {
    return oc_events_write_image(record->events, step, image, err);
}

oc_status oc_record_sync(oc_record *record, oc_error *err) {
    oc_status status = OC_OK;
    OC_TRY(oc_file_appender_sync(record->metrics, err));
    OC_TRY(oc_file_appender_sync(record->steps, err));
    OC_TRY(oc_file_appender_sync(record->log, err));
    OC_TRY(oc_events_sync(record->events, err));
cleanup:
    return status;
}

oc_status oc_record_log(oc_record *record, const char *line, oc_error *err) {
    char text[LOG_LINE_LIMIT];
    int length = snprintf(text, sizeof text - 1, "%s", line);
    if (length < 0) return oc_fail(err, OC_E_FORMAT, "log.txt", "a log line cannot be written");
    size_t size = (size_t)length < sizeof text - 2 ? (size_t)length : sizeof text - 2;
    for (size_t i = 0; i < size; i++)
        if (text[i] == '\n' || text[i] == '\r') text[i] = ' ';
    text[size] = '\n';
    return oc_file_appender_write(record->log, text, size + 1, err);
}
