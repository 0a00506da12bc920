/* A CSV table on disk that grows row by row and can be cut back to a row. Numbers only. */
#ifndef OC_RECORD_CSV_H
#define OC_RECORD_CSV_H

#include "base/file.h"

/* Which rows of an existing table stay. A row that is not ended by a newline never does. */
typedef struct oc_csv_keep {
    int64_t rows; /* at most this many; −1: any number */
    int64_t step; /* and only up to the first row whose first field is larger; −1: any */
} oc_csv_keep;

#define OC_CSV_FIELDS 24

/* Where the columns of a table's first line stand in `header`, both of names with commas between them: place[i] of the
 * i-th of *count. The line may lack columns and have them in another order (one of an earlier version does), and its
 * end may be CR LF. False: a name is not in `header`, or stands twice; or the first, which rows are known by, is
 * another. `line` ends at *end, which is its newline. */
bool oc_csv_columns(const char *header, const char *line, const char *end, size_t place[OC_CSV_FIELDS], size_t *count);

/* Opens `path` for appending with `header` (without newline) as its first line: created when absent, else cut after
 * the rows that stay. A table of other columns, all of them of `header`, is rewritten first, atomically, with empty
 * fields where it has none. OC_E_FORMAT when the first line is another. */
oc_status oc_csv_create(oc_file_appender **out, const char *path, const char *header, oc_csv_keep keep, oc_error *err);

/* Appends a row of the integers, then the reals (9 significant digits; an empty field for NaN and infinities), at most
 * OC_CSV_FIELDS in all, in one write. */
oc_status oc_csv_append(oc_file_appender *csv, const int64_t *integers, size_t integer_count, const double *reals,
                        size_t real_count, oc_error *err);

#endif
