/* Getting data sets that are known by name over the network (docs/data.md). In a library of its own, which the helper
 * program of `ocelli data fetch` is linked with, so that nothing else needs libcurl. */
#ifndef OCELLI_FETCH_H
#define OCELLI_FETCH_H

#include "ocelli/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A file that is known. */
typedef struct oc_archive {
    const char *name;  /* what it is asked for by, "tiny-imagenet" */
    const char *about; /* what it is, in some words */
    const char *url;   /* where it is */
    const char *file;  /* what it is called here, without a folder */
    int64_t bytes;     /* how long it is, > 0 */
    const char *md5;   /* MD5 (RFC 1321) of its bytes, 32 lower-case hexadecimal digits */
} oc_archive;

/* *out = the known archive of that name, static. OC_E_USAGE names the nearest and lists all; OC_E_MEMORY. */
OC_API oc_status oc_archive_find(const oc_archive **out, const char *name, oc_error *err);

/* All zero: the defaults that are named, in silence. Borrowed for the call. */
typedef struct oc_fetch_options {
    const char *url;      /* where to fetch it from instead, by http or https; NULL: the archive's own */
    int tries;            /* in a row that bring less than a hundredth of the file, after which it gives up; 0: 6 */
    double wait;          /* seconds before the second of these, doubled before each after it up to 30; 0: 1 */
    int stall_seconds;    /* below 1 kB/s for so long, a connection counts as lost; 0: 30 */
    oc_progress progress; /* of "fetch" and "check", by bytes */
    oc_log log;           /* tries that failed, and what was there */
} oc_fetch_options;

/* Fetches an archive into `folder`, which is made where it is missing. What comes goes to "<file>.part", beside which
 * "<file>.part.validator" holds the server's ETag or date of it: a later call asks for the rest of just that file. It
 * gets its name when size and MD5 are right and it is on the disk. A file of that name that is right stays, and nothing
 * is asked for; *was_there (may be NULL) says so. The environment's proxies count, as libcurl documents them.
 *
 * OC_E_USAGE: an address that is none of http or https. OC_E_EXISTS: a file of that name that is not right, which
 * stays; or another process is fetching it. OC_E_NOT_FOUND: the server does not have it. OC_E_MISMATCH: what the server
 * has is another file; nothing is left of it where it has been fetched to its end. OC_E_IO: no connection, one that was
 * lost again and again, a refusal of the server's or of the system's. OC_E_STOPPED. OC_E_MEMORY. What has come stays
 * for the next call. */
OC_API oc_status oc_fetch(bool *was_there, const oc_archive *archive, const char *folder,
                          const oc_fetch_options *options, oc_error *err);

#ifdef __cplusplus
}
#endif

#endif
