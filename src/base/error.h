/* Filling an oc_error, and the one control-flow idiom of the library. */
#ifndef OC_BASE_ERROR_H
#define OC_BASE_ERROR_H

#include "ocelli/base.h"

/* Fills `err` (may be NULL) and returns `status`. `where` (may be NULL): the file, "file:line", flag or key. The
 * formatted message is cut at OC_ERROR_MESSAGE_SIZE; control characters in it are replaced, so it stays one line. */
oc_status oc_fail(oc_error *err, oc_status status, const char *where, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
#ifdef __clang_analyzer__
/* Lets the static analyser, which sees one file at a time, know what is returned. */
#define oc_fail(err, status, where, ...) ((void)(oc_fail)((err), (status), (where), __VA_ARGS__), (status))
#endif

/* Runs a call inside a function that has `oc_status status` and a `cleanup:` label. */
#define OC_TRY(call)                                                                                                   \
    do {                                                                                                               \
        status = (call);                                                                                               \
        if (status != OC_OK) goto cleanup;                                                                             \
    } while (0)

/* Formats one line to a log that may be silent. */
void oc_log_line(const oc_log *log, oc_log_level level, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Reports progress; true to go on (also where there is no callback). */
bool oc_progress_report(const oc_progress *progress, const char *what, int64_t done, int64_t total);

#endif
