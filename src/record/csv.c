/* CSV tables that survive being cut anywhere. */
#include "record/csv.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

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

oc_status oc_csv_create(oc_file_appender **out, const char *path, const char *header, oc_csv_keep keep, oc_error *err) {
    oc_status status = OC_OK;
    oc_file_appender *csv = NULL;
    oc_mapping mapping = {0};
    *out = NULL;
    size_t header_size = strlen(header), size = 0;
    if (oc_path_exists(path)) {
        OC_TRY(oc_mapping_open(&mapping, path, err));
        const char *text = (const char *)mapping.data;
        size_t common = mapping.size < header_size ? mapping.size : header_size;
        bool torn = mapping.size <= header_size && (common == 0 || memcmp(text, header, common) == 0);
        if (!torn) {
            if (mapping.size <= header_size || memcmp(text, header, header_size) != 0 || text[header_size] != '\n') {
                status = oc_fail(err, OC_E_FORMAT, path, "line 1 is not \"%s\"; move the file away to go on", header);
                goto cleanup;
            }
            size = kept_size(text, mapping.size, header_size + 1, keep);
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

oc_status oc_csv_append(oc_file_appender *csv, const int64_t *integers, size_t integer_count, const double *reals,
                        size_t real_count, oc_error *err) {
    assert(integer_count + real_count <= OC_CSV_FIELDS);
    char row[OC_CSV_FIELDS * FIELD_SIZE];
    size_t size = 0;
    for (size_t i = 0; i < integer_count; i++)
        size += (size_t)snprintf(row + size, FIELD_SIZE, "%" PRId64 ",", integers[i]);
    for (size_t i = 0; i < real_count; i++) {
        char *field = row + size;
        size_t length = isnan(reals[i]) ? 0 : (size_t)snprintf(field, FIELD_SIZE, "%.9g", reals[i]);
        /* The program around the library may have set a locale whose decimal point is a comma. */
        for (size_t j = 0; j < length; j++)
            if (field[j] == ',') field[j] = '.';
        field[length] = ',';
        size += length + 1;
    }
    row[size - 1] = '\n';
    return oc_file_appender_write(csv, row, size, err);
}
