/* CSV tables that survive being cut anywhere. */
#include "record/csv.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

#define FIELD_SIZE 32

/* Bytes up to the end of the last row that stays. The text begins with the header's line. */
static size_t kept_size(const char *text, size_t size, size_t header_size, oc_csv_keep keep) {
    size_t end = header_size;
    for (int64_t row = 0; keep.rows < 0 || row < keep.rows; row++) {
        const char *newline = end < size ? memchr(text + end, '\n', size - end) : NULL;
        if (!newline) break;
        if (keep.step >= 0) {
            char field[FIELD_SIZE] = {0};
            size_t length = (size_t)(newline - text) - end;
            memcpy(field, text + end, length < sizeof field ? length : sizeof field - 1);
            char *rest = NULL;
            long long first = strtoll(field, &rest, 10);
            if (rest == field || first > keep.step) break;
        }
        end = (size_t)(newline - text) + 1;
    }
    return end;
}

/* Place of the name of `size` bytes in `header`, or OC_CSV_FIELDS; *columns = how many there are. */
static size_t column_find(const char *header, const char *name, size_t size, size_t *columns) {
    size_t found = OC_CSV_FIELDS, i = 0;
    for (const char *at = header;; at += strcspn(at, ",") + 1, i++) {
        const size_t length = strcspn(at, ",");
        if (length == size && memcmp(at, name, size) == 0) found = i;
        if (at[length] == '\0') break;
    }
    *columns = i + 1;
    return found;
}

/* The end of the field at `at` of a line that ends at `end`, where its newline is. */
static const char *field_end(const char *at, const char *end) {
    const char *comma = memchr(at, ',', (size_t)(end - at));
    return comma ? comma : end;
}

bool oc_csv_columns(const char *header, const char *line, const char *end, size_t place[OC_CSV_FIELDS], size_t *count) {
    bool seen[OC_CSV_FIELDS] = {false};
    size_t columns;
    if (end > line && end[-1] == '\r') end--;
    *count = 0;
    for (const char *at = line;; at = field_end(at, end) + 1) {
        const char *stop = field_end(at, end);
        const size_t found = column_find(header, at, (size_t)(stop - at), &columns);
        if (found == OC_CSV_FIELDS || seen[found]) return false;
        seen[found] = true;
        place[(*count)++] = found;
        if (stop == end) break;
    }
    return place[0] == 0;
}

/* Appends the row [line, end), whose `count` fields belong to the columns place[i], as a row of `columns` fields; *fits
 * = it has that many. */
static oc_status row_rewrite(oc_text *out, const char *line, const char *end, const size_t *place, size_t count,
                             size_t columns, bool *fits, oc_error *err) {
    oc_status status = OC_OK;
    const char *field[OC_CSV_FIELDS] = {NULL};
    size_t size[OC_CSV_FIELDS] = {0}, fields = 0;
    if (end > line && end[-1] == '\r') end--;
    for (const char *at = line;; at = field_end(at, end) + 1, fields++) {
        const char *stop = field_end(at, end);
        if (fields < count) {
            field[place[fields]] = at;
            size[place[fields]] = (size_t)(stop - at);
        }
        if (stop == end) break;
    }
    *fits = fields + 1 == count;
    for (size_t i = 0; i < columns; i++) {
        OC_TRY(oc_text_append(out, field[i], size[i], err));
        OC_TRY(oc_text_append(out, i + 1 < columns ? "," : "\n", 1, err));
    }
cleanup:
    return status;
}

/* Writes the rows that stay of the table `text` anew under `header`. OC_E_FORMAT: its columns, or the fields of such a
 * row, are no part of them. */
static oc_status rewrite(const char *path, const char *header, const char *text, size_t size, oc_csv_keep keep,
                         oc_error *err) {
    oc_status status = OC_OK;
    oc_text out = {0};
    size_t place[OC_CSV_FIELDS], count = 0, columns, row = 1;
    const char *end = memchr(text, '\n', size), *line;
    if (!end || !oc_csv_columns(header, text, end, place, &count)) {
        status = oc_fail(err, OC_E_FORMAT, path, "line 1 is not \"%s\"; move the file away to go on", header);
        goto cleanup;
    }
    (void)column_find(header, "", 0, &columns);
    size = kept_size(text, size, (size_t)(end + 1 - text), keep);
    OC_TRY(oc_text_printf(&out, err, "%s\n", header));
    for (line = end + 1; (end = memchr(line, '\n', (size_t)(text + size - line))); line = end + 1) {
        bool fits;
        row++;
        OC_TRY(row_rewrite(&out, line, end, place, count, columns, &fits, err));
        if (!fits) {
            status =
                oc_fail(err, OC_E_FORMAT, path, "line %zu has not %zu fields; move the file away to go on", row, count);
            goto cleanup;
        }
    }
    OC_TRY(oc_file_write_atomic(path, out.data, out.size, err));
cleanup:
    oc_text_free(&out);
    return status;
}

oc_status oc_csv_create(oc_file_appender **out, const char *path, const char *header, oc_csv_keep keep, oc_error *err) {
    oc_status status = OC_OK;
    oc_file_appender *csv = NULL;
    oc_mapping mapping = {0};
    *out = NULL;
    size_t header_size = strlen(header), size = 0;
    if (oc_path_exists(path)) {
        OC_TRY(oc_mapping_open(&mapping, path, err));
        size_t common = mapping.size < header_size ? mapping.size : header_size;
        bool same = common == 0 || memcmp(mapping.data, header, common) == 0;
        if (!(same && mapping.size <= header_size)) { /* a torn first line is written again */
            if (!same || mapping.data[header_size] != '\n') {
                OC_TRY(rewrite(path, header, (const char *)mapping.data, mapping.size, keep, err));
                oc_mapping_close(&mapping);
                OC_TRY(oc_mapping_open(&mapping, path, err));
            }
            size = kept_size((const char *)mapping.data, mapping.size, header_size + 1, keep);
        }
        oc_mapping_close(&mapping);
    }
    OC_TRY(oc_file_appender_create(&csv, path, size, err));
    if (size == 0) {
        char line[1024];
        assert(header_size + 2 <= sizeof line);
        memcpy(line, header, header_size);
        line[header_size] = '\n';
        OC_TRY(oc_file_appender_write(csv, line, header_size + 1, err));
    }
    *out = csv;
    csv = NULL;
cleanup:
    oc_mapping_close(&mapping);
    oc_file_appender_destroy(&csv);
    return status;
}

/* Writes a number to nine digits, nothing for what is none, and returns its length. The program around the library may
 * have set a locale whose decimal point is a comma, or a character of several bytes: it becomes a point. */
static size_t number_write(char field[FIELD_SIZE], double number) {
    size_t length = 0;
    const int written = isfinite(number) ? snprintf(field, FIELD_SIZE, "%.9g", number) : 0;
    for (int i = 0; i < written; i++) {
        if (strchr("0123456789+-e", field[i]))
            field[length++] = field[i];
        else if (length > 0 && field[length - 1] != '.')
            field[length++] = '.';
    }
    return length;
}

oc_status oc_csv_append(oc_file_appender *csv, const int64_t *integers, size_t integer_count, const double *reals,
                        size_t real_count, oc_error *err) {
    assert(integer_count + real_count <= OC_CSV_FIELDS);
    char row[OC_CSV_FIELDS * FIELD_SIZE];
    size_t size = 0;
    for (size_t i = 0; i < integer_count; i++)
        size += (size_t)snprintf(row + size, FIELD_SIZE, "%" PRId64 ",", integers[i]);
    for (size_t i = 0; i < real_count; i++) {
        char *field = row + size;
        const size_t length = number_write(field, reals[i]);
        field[length] = ',';
        size += length + 1;
    }
    row[size - 1] = '\n';
    return oc_file_appender_write(csv, row, size, err);
}
