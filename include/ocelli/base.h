/* What every public header shares: status, error, log and progress.
 *
 * The library never prints, exits or aborts. A function that can fail returns an oc_status and, if the caller
 * passes an oc_error (NULL is allowed everywhere), explains itself there in words that a person can act on. */
#ifndef OCELLI_BASE_H
#define OCELLI_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ocelli/version.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What the shared library exports. */
#define OC_API __attribute__((visibility("default")))

/* Why a call failed. The command maps OC_E_USAGE to exit status 2, OC_E_STOPPED to 130 and the others to 1. */
typedef enum oc_status {
    OC_OK = 0,       /* done */
    OC_E_USAGE,      /* an argument, flag or key that is unknown, of the wrong type or out of range */
    OC_E_NOT_FOUND,  /* a file, folder, class or tensor that is not there */
    OC_E_EXISTS,     /* something would be overwritten */
    OC_E_IO,         /* the operating system refused a read or a write */
    OC_E_FORMAT,     /* a file is not what it should be: truncated, damaged, of another kind */
    OC_E_MISMATCH,   /* two good things do not fit together (weights and model, settings and run) */
    OC_E_MEMORY,     /* out of memory, or a size that overflows */
    OC_E_COMPUTE,    /* oneDNN failed, or a layout is unsupported */
    OC_E_NON_FINITE, /* a loss or activation became infinite or not a number */
    OC_E_STOPPED     /* the caller asked to stop; everything was saved */
} oc_status;

/* Bytes of the texts of an oc_error, their NULs included. */
#define OC_ERROR_MESSAGE_SIZE 2048
#define OC_ERROR_WHERE_SIZE 1024 /* see OC_ERROR_MESSAGE_SIZE */

/* Filled by a failing call, untouched by a successful one. `where` names the file, "file:line", flag or key the message
 * is about, or is empty. Both are NUL-terminated UTF-8 and at most one line. */
typedef struct oc_error {
    oc_status status;                    /* why it failed */
    char message[OC_ERROR_MESSAGE_SIZE]; /* what is wrong, and what to do */
    char where[OC_ERROR_WHERE_SIZE];     /* what it is about */
} oc_error;

/* The status's name in words ("not found"); never NULL, static. */
OC_API const char *oc_status_text(oc_status status);

/* How much a line of the log matters: good to know, or likely to be a mistake. */
typedef enum oc_log_level { OC_LOG_INFO, OC_LOG_WARN } oc_log_level;

/* Receives one line without a newline. Called from the calling thread, unless where it is given says otherwise. fn may
 * be NULL: silence. */
typedef struct oc_log {
    void (*fn)(void *user, oc_log_level level, const char *line); /* the receiver */
    void *user;                                                   /* given to fn */
} oc_log;

/* Told how far a long task is: `done` of `total` (both >= 0) of `what` ("decode train"). Returns false to ask the
 * task to stop, which then returns OC_E_STOPPED. Called from the calling thread only. fn may be NULL. */
typedef struct oc_progress {
    bool (*fn)(void *user, const char *what, int64_t done, int64_t total); /* the receiver */
    void *user;                                                            /* given to fn */
} oc_progress;

/* The candidate (of `count` strings, up to the first NULL) nearest to `word` by Damerau–Levenshtein distance, in which
 * the case of ASCII letters does not count, for "did you mean"; NULL when none is within max(2, length/3). */
OC_API const char *oc_text_nearest(const char *word, const char *const *candidates, size_t count);

/* Makes `text` one line of valid UTF-8 without control codes of a terminal, in place, as messages are: what a file's or
 * a class's name holds is not to be trusted. */
OC_API void oc_text_line(char *text);

/* Writes `text` as a field of a CSV file, as pandas does: in quotes, its own doubled, only where it holds a comma, a
 * quote or a line break (RFC 4180). Like snprintf: at most `size` bytes, the NUL included; returns how long the whole
 * is. `out` may be NULL when `size` is 0. */
OC_API size_t oc_csv_field(char *out, size_t size, const char *text);

/* True when both are there and are one and the same file or folder, by whatever names. */
OC_API bool oc_path_same(const char *a, const char *b);
/* True when both are there and `path`, its links followed, lies somewhere in `folder`. */
OC_API bool oc_path_inside(const char *path, const char *folder);

/* The library's version, "MAJOR.MINOR.PATCH"; static. OC_VERSION_STRING is that of the headers. */
OC_API const char *oc_version(void);
/* The library's version as a number, OC_VERSION_NUMBER of the headers that it was built with. */
OC_API int oc_version_number(void);
/* Whether a program that was compiled with the headers of one version runs with a library of another:
 *     if (!oc_version_fits(OC_VERSION_NUMBER, oc_version_number())) …
 * True for the same version and for later ones with the same MAJOR, before 1.0 with the same MINOR, too. */
OC_API bool oc_version_fits(int compiled, int running);
/* The commit that the library was built from, "b5c4f7e564", with a + where files were changed; "" where it is not
 * known; static. */
OC_API const char *oc_commit(void);

/* What computes here. */
typedef struct oc_system {
    char processor[64]; /* its name as it gives it */
    const char
        *level;      /* of instructions in use, "avx512_bf16": the processor's highest unless OC_CPU caps it; static */
    char dnnl[24];   /* oneDNN's version, "2.6.3" */
    char system[96]; /* kernel and C library, "Linux 6.1.0, glibc 2.36" */
    const char *compiler;   /* that built the library, "gcc 12.2.0"; static */
    int64_t memory;         /* of the machine, bytes */
    int threads;            /* that are used where none are asked for */
    char threads_note[512]; /* what of the environment was overruled or made them fewer, one line ("OMP_THREAD_LIMIT=1:
                             * 1 thread instead of 2"); "" where nothing did */
} oc_system;

/* OC_E_USAGE when the environment variable OC_CPU names no level (it caps the instructions that are used, oneDNN's and
 * ours: baseline, avx2, avx512, avx512_bf16), OC_E_MEMORY. */
OC_API oc_status oc_system_get(oc_system *out, oc_error *err);

/* Processors whose time the process may have: those that it may run on, or a CPU quota of its control groups (of 1.5
 * processors: 1). More threads wait for each other. */
OC_API int oc_system_processors(void);
/* About how many threads of the machine's, other than the calling one, have kept processors busy for the last minute
 * and still do; 0 where the system does not tell (Linux's /proc/loadavg). */
OC_API double oc_system_load(void);

#ifdef __cplusplus
}
#endif

#endif
