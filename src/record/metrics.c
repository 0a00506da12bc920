/* Reading metrics.csv back. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/number.h"
#include "record/csv.h"
#include "record/record.h"

#define FILE_LIMIT ((size_t)256 << 20)
#define INTEGERS 2
#define REALS 15

const char oc_metrics_header[] =
    "epoch,step,train_loss,train_top1,train_top5,val_loss,val_top1,val_top5,lr,images_per_second,seconds,"
    "elapsed_seconds,share_data,share_forward,share_backward,share_optimizer,share_validation";

/* Where the reals of a row stand, in the order of the columns. */
static const size_t places[REALS] = {offsetof(oc_metrics, train_loss),
                                     offsetof(oc_metrics, train_top1),
                                     offsetof(oc_metrics, train_top5),
                                     offsetof(oc_metrics, val_loss),
                                     offsetof(oc_metrics, val_top1),
                                     offsetof(oc_metrics, val_top5),
                                     offsetof(oc_metrics, lr),
                                     offsetof(oc_metrics, images_per_second),
                                     offsetof(oc_metrics, seconds),
                                     offsetof(oc_metrics, elapsed_seconds),
                                     offsetof(oc_metrics, share_data),
                                     offsetof(oc_metrics, share_forward),
                                     offsetof(oc_metrics, share_backward),
                                     offsetof(oc_metrics, share_optimizer),
                                     offsetof(oc_metrics, share_validation)};

/* Reads one line, which a newline ends, with `count` fields that stand in `columns` of a whole row; false: it is no
 * row. */
static bool read_row(oc_metrics *row, const char *line, const char *newline, const size_t *columns, size_t count) {
    *row = (oc_metrics){0};
    for (size_t i = 0; i < REALS; i++) *(double *)((char *)row + places[i]) = NAN;
    for (size_t field = 0; field < count; field++) {
        const bool last = field + 1 == count;
        const size_t column = columns[field];
        char ends = last ? '\n' : ',', *end = NULL;
        double number = NAN;
        if (*line == ends || (last && *line == '\r')) {
            end = (char *)line;
        } else {
            number = oc_number_read(line, &end);
            if (end == line) return false;
        }
        if (last && *end == '\r') end++;
        if (*end != ends || end > newline) return false;
        line = end + 1;
        if (column >= INTEGERS) {
            *(double *)((char *)row + places[column - INTEGERS]) = number;
        } else {
            if (!(number >= 0 && number <= 9e15 && number == floor(number))) return false;
            *(column == 0 ? &row->epoch : &row->step) = (int64_t)number;
        }
    }
    return true;
}

oc_status oc_metrics_read(oc_metrics **rows, size_t *count, const char *path, oc_error *err) {
    oc_status status = OC_OK;
    char *text = NULL;
    oc_metrics *list = NULL;
    size_t size = 0, capacity = 0, used = 0, column_count = 0, columns[OC_CSV_FIELDS];
    *rows = NULL;
    *count = 0;
    OC_TRY(oc_file_read(&text, &size, path, FILE_LIMIT, err));
    const char *newline = strchr(text, '\n');
    /* Where it has no end, the run was killed while it wrote the first line. */
    if (!newline && size <= strlen(oc_metrics_header) && memcmp(text, oc_metrics_header, size) == 0) goto cleanup;
    if (!newline || !oc_csv_columns(oc_metrics_header, text, newline, columns, &column_count)) {
        status = oc_fail(err, OC_E_FORMAT, path, "line 1 is not that of a run's metrics");
        goto cleanup;
    }
    const char *line = newline + 1;
    for (; (newline = strchr(line, '\n')); line = newline + 1) {
        OC_TRY(oc_grow(&list, &capacity, used + 1, sizeof *list, err));
        if (!read_row(&list[used++], line, newline, columns, column_count)) {
            char where[OC_ERROR_WHERE_SIZE];
            snprintf(where, sizeof where, "%.900s:%zu", path, used + 1);
            status = oc_fail(err, OC_E_FORMAT, where, "not a row of a run's metrics");
            goto cleanup;
        }
    }
    *rows = list;
    *count = used;
    list = NULL;
cleanup:
    oc_free(list);
    oc_free(text);
    return status;
}

oc_metrics_figures oc_metrics_figures_of(const oc_metrics *rows, size_t count) {
    oc_metrics_figures f = {.epochs = -1, .top1 = NAN, .best_epoch = -1, .roughness = NAN, .seconds = NAN};
    double bends = 0, slowness = 0;
    int64_t bend_count = 0, timed = 0;
    for (size_t i = 0; i < count; i++) {
        const oc_metrics *row = &rows[i];
        f.epochs = row->epoch;
        f.seconds = row->elapsed_seconds;
        /* Of equals the first, as the trainer. */
        if (row->val_top1 > f.top1 || (isnan(f.top1) && !isnan(row->val_top1))) {
            f.top1 = row->val_top1;
            f.best_epoch = row->epoch;
        }
        /* Before the first step accuracy is chance: the jump from there is no roughness. */
        if (i >= 2 && rows[i - 2].epoch >= 1) {
            bends += fabs(row->val_top1 - 2 * rows[i - 1].val_top1 + rows[i - 2].val_top1);
            bend_count++;
        }
        if (row->images_per_second > 0) {
            slowness += 1 / row->images_per_second;
            timed++;
        }
    }
    if (bend_count > 0) f.roughness = bends / (double)bend_count;
    /* Epochs are of the same number of images each. */
    f.images_per_second = timed > 0 ? (double)timed / slowness : NAN;
    return f;
}
