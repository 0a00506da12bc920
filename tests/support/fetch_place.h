/* What the tests of fetching share: a folder, a server, and what fetching from it must come to. The file is small and
 * its bytes are random. Here and not in a source, since only they are linked with what fetches. */
#ifndef OC_TESTS_SUPPORT_FETCH_PLACE_H
#define OC_TESTS_SUPPORT_FETCH_PLACE_H

#include <md5.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "ocelli/fetch.h"
#include "support/bytes.h"
#include "support/temporary.h"
#include "support/web.h"

#define SIZE 300000
#define FILE_NAME "set.zip"

static unsigned char file[SIZE], other[SIZE];
static char md5[MD5_DIGEST_STRING_LENGTH];

/* One test's folder, server and what it is told. */
typedef struct place {
    char folder[256], path[300], part[320], validator[340], url[128], log[4096];
    test_web web;
    oc_archive archive;
    oc_fetch_options options;
    oc_error err;
    int64_t stop_at; /* bytes at which the progress asks to stop; < 0: never */
    int64_t seen;    /* the last progress of fetching */
    bool stop_in_pause;
    bool was_there;
} place;

static inline bool on_progress(void *user, const char *what, int64_t done, int64_t total) {
    place *p = user;
    assert_int_equal(total, SIZE);
    assert_in_range(done, 0, total);
    if (strcmp(what, "fetch") == 0) p->seen = done;
    if (p->stop_in_pause && strstr(p->log, "again in")) return false;
    return p->stop_at < 0 || done < p->stop_at;
}

static inline void on_log(void *user, oc_log_level level, const char *line) {
    place *p = user;
    (void)level;
    const size_t used = strlen(p->log);
    snprintf(p->log + used, sizeof p->log - used, "%s\n", line);
}

static inline void open_place(place *p, const test_web_answer *answers, int count) {
    memset(p, 0, sizeof *p);
    test_temporary_create(p->folder, sizeof p->folder);
    snprintf(p->path, sizeof p->path, "%s/" FILE_NAME, p->folder);
    snprintf(p->part, sizeof p->part, "%s.part", p->path);
    snprintf(p->validator, sizeof p->validator, "%s.validator", p->part);
    p->web = (test_web){.data = file, .size = SIZE, .answers = answers, .count = count};
    test_web_start(&p->web);
    snprintf(p->url, sizeof p->url, "http://127.0.0.1:%d/" FILE_NAME, p->web.port);
    p->archive =
        (oc_archive){.name = "set", .about = "a test's", .url = p->url, .file = FILE_NAME, .bytes = SIZE, .md5 = md5};
    p->options = (oc_fetch_options){.wait = 0.001,
                                    .stall_seconds = 1,
                                    .progress = {.fn = on_progress, .user = p},
                                    .log = {.fn = on_log, .user = p}};
    p->stop_at = -1;
}

static inline void close_place(place *p) {
    test_web_stop(&p->web);
    test_temporary_remove(p->folder);
}

static inline oc_status fetch(place *p) {
    p->err = (oc_error){0};
    p->log[0] = '\0';
    return oc_fetch(&p->was_there, &p->archive, p->folder, &p->options, &p->err);
}

/* It succeeds, the file is there, and nothing else is. */
static inline void good(place *p) {
    size_t size;
    const oc_status status = fetch(p);
    if (status != OC_OK) fail_msg("%s: %s", p->err.where, p->err.message);
    unsigned char *data = test_bytes_read(p->path, &size);
    assert_int_equal(size, SIZE);
    assert_memory_equal(data, file, SIZE);
    free(data);
    assert_int_equal(test_folder_entries(p->folder), 1);
}

/* It fails in words that hold `reason`, and there is no file. */
static inline void bad(place *p, oc_status status, const char *reason) {
    assert_int_equal(fetch(p), status);
    if (!strstr(p->err.message, reason)) fail_msg("\"%s\" does not say %s", p->err.message, reason);
    assert_false(oc_path_exists(p->path));
}

/* So many bytes of the file, from its beginning, are there of it. */
static inline void part_holds(place *p, size_t expected) {
    size_t size;
    unsigned char *data = test_bytes_read(p->part, &size);
    assert_int_equal(size, expected);
    assert_memory_equal(data, file, size);
    free(data);
}

/* Request i asked for the rest from there, of the file called so; from < 0: for the whole. */
static inline void asked_from(const place *p, int i, int64_t from, const char *condition) {
    assert_in_range(i, 0, p->web.asked - 1);
    assert_int_equal(p->web.requests[i].from, from);
    assert_string_equal(p->web.requests[i].condition, condition);
}

/* Files of bytes that have no period, so that a part in the wrong place is seen. */
static inline int make_files(void **state) {
    (void)state;
    uint32_t random = 20241;
    MD5_CTX sum;
    for (size_t i = 0; i < SIZE; i++) {
        random = random * 1664525u + 1013904223u;
        file[i] = (unsigned char)(random >> 24);
        other[i] = (unsigned char)(random >> 16);
    }
    MD5Init(&sum);
    MD5Update(&sum, file, SIZE);
    MD5End(&sum, md5);
    /* Proxies of the environment are for other servers. */
    setenv("no_proxy", "*", 1);
    return 0;
}

#endif
