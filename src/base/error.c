/* Errors, log lines and progress: the only places where the library turns something into words for the caller. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LOG_LINE_SIZE 4096

/* Length of the well-formed UTF-8 sequence at `s` (NUL-terminated), or 0 (The Unicode Standard, table 3-7). */
static size_t utf8_length(const unsigned char *s) {
    if (s[0] < 0x80) return 1;
    size_t length = s[0] >= 0xC2 && s[0] <= 0xDF   ? 2
                    : s[0] >= 0xE0 && s[0] <= 0xEF ? 3
                    : s[0] >= 0xF0 && s[0] <= 0xF4 ? 4
                                                   : 0;
    for (size_t i = 1; i < length; i++)
        if ((s[i] & 0xC0) != 0x80) return 0;
    if (length == 3 && ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F))) return 0;
    if (length == 4 && ((s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F))) return 0;
    return length;
}

void oc_text_line(char *text) {
    unsigned char *s = (unsigned char *)text;
    while (*s) {
        size_t length = utf8_length(s);
        bool control = *s < 0x20 || *s == 0x7F || (length == 2 && s[0] == 0xC2 && s[1] < 0xA0);
        if (length == 0) {
            *s++ = '?';
        } else if (control) {
            bool space = *s == '\n' || *s == '\t' || *s == '\r';
            for (size_t i = 0; i < length; i++) *s++ = space ? ' ' : '?';
        } else {
            s += length;
        }
    }
}

oc_status(oc_fail)(oc_error *err, oc_status status, const char *where, const char *format, ...) {
    if (!err) return status;
    /* The arguments may lie in *err itself, where a caller adds words to what it was told. */
    oc_error fresh;
    fresh.status = status;
    va_list args;
    va_start(args, format);
    if (vsnprintf(fresh.message, sizeof fresh.message, format, args) < 0) fresh.message[0] = '\0';
    va_end(args);
    snprintf(fresh.where, sizeof fresh.where, "%s", where ? where : "");
    oc_text_line(fresh.message); /* it may hold pieces of hostile files */
    oc_text_line(fresh.where);
    *err = fresh;
    return status;
}

const char *oc_status_text(oc_status status) {
    switch (status) {
    case OC_OK:
        return "ok";
    case OC_E_USAGE:
        return "wrong usage";
    case OC_E_NOT_FOUND:
        return "not found";
    case OC_E_EXISTS:
        return "already exists";
    case OC_E_IO:
        return "input or output failed";
    case OC_E_FORMAT:
        return "wrong format";
    case OC_E_MISMATCH:
        return "mismatch";
    case OC_E_MEMORY:
        return "out of memory";
    case OC_E_COMPUTE:
        return "computation failed";
    case OC_E_NON_FINITE:
        return "not a finite number";
    case OC_E_STOPPED:
        return "stopped";
    }
    return "unknown status";
}

void oc_log_line(const oc_log *log, oc_log_level level, const char *format, ...) {
    if (!log || !log->fn) return;
    char line[LOG_LINE_SIZE];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (length < 0) return;
    oc_text_line(line);
    log->fn(log->user, level, line);
}

bool oc_progress_report(const oc_progress *progress, const char *what, int64_t done, int64_t total) {
    if (!progress || !progress->fn) return true;
    return progress->fn(progress->user, what, done, total);
}
