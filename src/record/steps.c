/* Reading steps.csv back. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/number.h"
#include "record/record.h"

/* A number is read past white space, so past the line's end, behind which there may be nothing. */
static bool begins_number(const char *field) {
    return *field > ' ';
}

static bool read_row(oc_step_mean *row, const char *line, const char *newline) {
    char *end = NULL;
    const double step = begins_number(line) ? oc_number_read(line, &end) : NAN;
    if (!(step >= 0 && step <= 9e15 && step == floor(step)) || end == line || *end != ',') return false;
    row->step = (int64_t)step;
    double *const real[] = {&row->loss, &row->lr};
    for (int i = 0; i < 2; i++) {
        line = end + 1;
        const bool empty = *line == ',' || *line == '\n';
        if (!empty && !begins_number(line)) return false;
        end = (char *)(uintptr_t)line;
        *real[i] = empty ? NAN : oc_number_read(line, &end);
        if (*end != (i == 0 ? ',' : '\n')) return false;
    }
    return end == newline;
}

oc_status oc_steps_read(oc_step_mean **means, size_t *count, size_t most, const char *path, oc_error *err) {
    oc_status status = OC_OK;
    oc_mapping file = {0};
    oc_step_mean *list = NULL;
    int64_t rows = 0, row = 0;
    *means = NULL;
    *count = 0;
    OC_TRY(oc_mapping_open(&file, path, err));
    const char *text = (const char *)file.data, *end = text + file.size, *newline;
    for (const char *at = text; at < end && (newline = memchr(at, '\n', (size_t)(end - at))); at = newline + 1) rows++;
    rows--; /* the header */
    if (rows < 1) goto cleanup;
    const int64_t length = (rows + (int64_t)most - 1) / (int64_t)most;
    OC_TRY(oc_alloc(&list, (size_t)((rows + length - 1) / length), sizeof *list, err));
    const char *line = (const char *)memchr(text, '\n', file.size) + 1;
    for (; row < rows; row++, line = newline + 1) {
        oc_step_mean one, *mean = &list[row / length];
        newline = memchr(line, '\n', (size_t)(end - line));
        if (!read_row(&one, line, newline)) {
            char where[OC_ERROR_WHERE_SIZE];
            snprintf(where, sizeof where, "%.900s:%lld", path, (long long)row + 2);
            status = oc_fail(err, OC_E_FORMAT, where, "not a row of a run's steps");
            goto cleanup;
        }
        mean->step = one.step;
        mean->loss += one.loss;
        mean->lr += one.lr;
        if ((row + 1) % length != 0 && row + 1 < rows) continue;
        const double in_it = (double)(row % length + 1);
        mean->loss /= in_it;
        mean->lr /= in_it;
    }
    *count = (size_t)((rows + length - 1) / length);
    *means = list;
    list = NULL;
cleanup:
    oc_mapping_close(&file);
    oc_free(list);
    return status;
}
