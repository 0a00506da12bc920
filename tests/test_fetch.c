/* links: fault-injection */
/* Fetching from servers that are good, and from servers that are not. The file is small and its bytes are random; what
 * the server was asked for is compared, too. */
#define _GNU_SOURCE 1
#include <errno.h>
#include <md5.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fault.h"
#include "base/file.h"
#include "base/lock.h"
#include "fetch/transfer.h"
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

static bool on_progress(void *user, const char *what, int64_t done, int64_t total) {
    place *p = user;
    assert_int_equal(total, SIZE);
    assert_in_range(done, 0, total);
    if (strcmp(what, "fetch") == 0) p->seen = done;
    if (p->stop_in_pause && strstr(p->log, "again in")) return false;
    return p->stop_at < 0 || done < p->stop_at;
}

static void on_log(void *user, oc_log_level level, const char *line) {
    place *p = user;
    (void)level;
    const size_t used = strlen(p->log);
    snprintf(p->log + used, sizeof p->log - used, "%s\n", line);
}

static void open_place(place *p, const test_web_answer *answers, int count) {
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

static void close_place(place *p) {
    test_web_stop(&p->web);
    test_temporary_remove(p->folder);
}

static oc_status fetch(place *p) {
    p->err = (oc_error){0};
    p->log[0] = '\0';
    return oc_fetch(&p->was_there, &p->archive, p->folder, &p->options, &p->err);
}

/* It succeeds, the file is there, and nothing else is. */
static void good(place *p) {
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
static void bad(place *p, oc_status status, const char *reason) {
    assert_int_equal(fetch(p), status);
    if (!strstr(p->err.message, reason)) fail_msg("\"%s\" does not say %s", p->err.message, reason);
    assert_false(oc_path_exists(p->path));
}

/* So many bytes of the file, from its beginning, are there of it. */
static void part_holds(place *p, size_t expected) {
    size_t size;
    unsigned char *data = test_bytes_read(p->part, &size);
    assert_int_equal(size, expected);
    assert_memory_equal(data, file, size);
    free(data);
}

/* Request i asked for the rest from there, of the file called so; from < 0: for the whole. */
static void asked_from(const place *p, int i, int64_t from, const char *condition) {
    assert_in_range(i, 0, p->web.asked - 1);
    assert_int_equal(p->web.requests[i].from, from);
    assert_string_equal(p->web.requests[i].condition, condition);
}

static void test_whole(void **state) {
    (void)state;
    place p;
    open_place(&p, NULL, 0);
    good(&p);
    assert_int_equal(p.web.asked, 1);
    asked_from(&p, 0, -1, "");
    assert_int_equal(p.seen, SIZE);
    assert_false(p.was_there);
    assert_string_equal(p.log, "");
    /* Again: it is there, and nobody is asked, even where nothing can be written. */
    assert_int_equal(chmod(p.folder, 0500), 0);
    good(&p);
    assert_int_equal(chmod(p.folder, 0700), 0);
    assert_true(p.was_there);
    assert_int_equal(p.web.asked, 1);
    close_place(&p);
}

static void test_folder_is_made(void **state) {
    (void)state;
    place p;
    char below[300], path[320];
    open_place(&p, NULL, 0);
    snprintf(below, sizeof below, "%s/a/b", p.folder);
    snprintf(path, sizeof path, "%s/" FILE_NAME, below);
    assert_int_equal(oc_fetch(NULL, &p.archive, below, NULL, &p.err), OC_OK);
    assert_true(oc_path_exists(path));
    close_place(&p);
}

/* What is there and wrong stays, whatever it is. */
static void test_wrong_file_there(void **state) {
    (void)state;
    place p;
    size_t size;
    open_place(&p, NULL, 0);
    test_bytes_write(p.path, other, SIZE);
    assert_int_equal(fetch(&p), OC_E_EXISTS);
    assert_non_null(strstr(p.err.message, "MD5"));
    assert_non_null(strstr(p.err.message, "remove it"));
    unsigned char *data = test_bytes_read(p.path, &size);
    assert_memory_equal(data, other, SIZE);
    free(data);
    test_bytes_write(p.path, file, SIZE - 1);
    assert_int_equal(fetch(&p), OC_E_EXISTS);
    assert_non_null(strstr(p.err.message, "it has 299999 bytes, not 300000"));
    unlink(p.path);
    assert_int_equal(mkdir(p.path, 0700), 0);
    assert_int_equal(fetch(&p), OC_E_EXISTS);
    assert_int_equal(p.web.asked, 0);
    assert_int_equal(test_folder_entries(p.folder), 1);
    close_place(&p);
}

static void test_drops(void **state) {
    (void)state;
    static const test_web_answer answers[] = {{.stop = 100000}, {.stop = 50000}, {.stop = 1}, {0}};
    place p;
    open_place(&p, answers, 4);
    p.options.tries = 3; /* in a row */
    good(&p);
    assert_int_equal(p.web.asked, 4);
    asked_from(&p, 0, -1, "");
    asked_from(&p, 1, 100000, "\"one\"");
    asked_from(&p, 2, 150000, "\"one\"");
    asked_from(&p, 3, 150001, "\"one\"");
    assert_int_equal(p.web.requests[3].sent, SIZE - 150001);
    assert_non_null(strstr(p.log, "again in"));
    close_place(&p);
}

/* A date serves as well; a weak ETag does not. */
static void test_validators(void **state) {
    (void)state;
    static const test_web_answer answers[] = {{.stop = 100000}, {0}};
    static const char *const validators[] = {"Last-Modified: Mon, 08 Dec 2014 10:00:00 GMT\r\n",
                                             "ETag: W/\"w\"\r\nLast-Modified: Mon, 08 Dec 2014 10:00:00 GMT\r\n"};
    for (int i = 0; i < 2; i++) {
        place p;
        open_place(&p, answers, 2);
        p.web.validator = validators[i];
        good(&p);
        assert_int_equal(p.web.asked, 2);
        asked_from(&p, 1, 100000, "Mon, 08 Dec 2014 10:00:00 GMT");
        close_place(&p);
    }
}

/* Without any, nobody could tell whether the rest is of the same file: from the beginning. */
static void test_no_validator(void **state) {
    (void)state;
    static const test_web_answer answers[] = {{.stop = 100000, .validator = ""}, {.validator = ""}};
    place p;
    open_place(&p, answers, 2);
    good(&p);
    assert_int_equal(p.web.asked, 2);
    asked_from(&p, 1, -1, "");
    assert_int_equal(p.web.requests[1].sent, SIZE);
    close_place(&p);
}

/* The validator of what was there before does not stay for what has none. */
static void test_validator_goes(void **state) {
    (void)state;
    static const test_web_answer answers[] = {{.stop = 100000}, {.stop = 50000, .data = other, .validator = ""}, {0}};
    place p;
    open_place(&p, answers, 3);
    p.options.tries = 1;
    bad(&p, OC_E_IO, "1 tries");
    assert_true(oc_path_exists(p.validator));
    bad(&p, OC_E_IO, "1 tries");
    assert_false(oc_path_exists(p.validator));
    good(&p);
    asked_from(&p, 2, -1, "");
    close_place(&p);
}

/* Gives up after a stated number of tries, and goes on in another call. */
static void test_gives_up(void **state) {
    (void)state;
    static const test_web_answer answers[] = {
        {.stop = 100000}, {.status = 503}, {.status = 503}, {.status = 503}, {.stop = 50000}, {.status = 500}, {0}};
    place p;
    open_place(&p, answers, 7);
    p.options.tries = 4;
    bad(&p, OC_E_IO, "status 503, and 4 tries brought nothing more");
    assert_int_equal(p.web.asked, 4);
    part_holds(&p, 100000);
    good(&p);
    assert_int_equal(p.web.asked, 7);
    asked_from(&p, 4, 100000, "\"one\"");
    asked_from(&p, 6, 150000, "\"one\"");
    close_place(&p);
}

/* A server that always begins anew, and drops, comes to an end, too; and so does one that drips. */
static void test_endless(void **state) {
    (void)state;
    static const test_web_answer anew = {.stop = 100000, .whole = true}, drips = {.stop = 10};
    place p;
    open_place(&p, &anew, 1);
    bad(&p, OC_E_IO, "6 tries");
    assert_int_equal(p.web.asked, 6);
    close_place(&p);
    open_place(&p, &drips, 1);
    bad(&p, OC_E_IO, "6 tries");
    assert_int_equal(p.web.asked, 6);
    part_holds(&p, 60);
    close_place(&p);
}

static void test_stalls(void **state) {
    (void)state;
    static const test_web_answer answers[] = {{.stop = 100, .stall = true}, {0}};
    place p;
    open_place(&p, answers, 2);
    good(&p);
    asked_from(&p, 1, 100, "\"one\"");
    close_place(&p);
}

static void test_range_ignored(void **state) {
    (void)state;
    static const test_web_answer answers[] = {{.stop = 100000}, {.whole = true}};
    place p;
    open_place(&p, answers, 2);
    good(&p);
    asked_from(&p, 1, 100000, "\"one\"");
    assert_int_equal(p.web.requests[1].sent, SIZE);
    assert_non_null(strstr(p.log, "cannot send the rest alone"));
    close_place(&p);
}

/* A rest from another place than was asked for is not taken. */
static void test_other_range(void **state) {
    (void)state;
    static const test_web_answer answers[] = {{.stop = 100000}, {.shift = 10}, {0}};
    place p;
    open_place(&p, answers, 3);
    good(&p);
    asked_from(&p, 2, -1, "");
    close_place(&p);
}

/* The file changes between two tries: by If-Range, and with a server that does not understand that. */
static void test_changed(void **state) {
    (void)state;
    for (int heedless = 0; heedless < 2; heedless++) {
        const test_web_answer answers[] = {
            {.stop = 100000, .data = other, .validator = "ETag: \"old\"\r\n"}, {.heedless = heedless}, {0}};
        place p;
        open_place(&p, answers, 3);
        good(&p);
        assert_int_equal(p.web.asked, 2 + heedless);
        asked_from(&p, 1, 100000, "\"old\"");
        if (heedless) asked_from(&p, 2, -1, "");
        close_place(&p);
    }
}

/* 416 for a part that is no beginning of what the server has. */
static void test_416(void **state) {
    (void)state;
    static const test_web_answer answers[] = {{.status = 416}, {0}};
    place p;
    open_place(&p, answers, 2);
    test_bytes_write(p.part, other, 200000);
    test_bytes_write(p.validator, "\"one\"", 5);
    good(&p);
    asked_from(&p, 0, 200000, "\"one\"");
    asked_from(&p, 1, -1, "");
    close_place(&p);
}

/* Parts that are found: one without a validator, with a damaged one, too long, complete, and no file at all. */
static void test_found(void **state) {
    (void)state;
    place p;
    open_place(&p, NULL, 0);
    test_bytes_write(p.part, other, 1000);
    good(&p);
    asked_from(&p, 0, -1, "");
    unlink(p.path);
    test_bytes_write(p.part, other, 1000);
    test_bytes_write(p.validator, "\"one\"\r\nX: y", 11);
    good(&p);
    asked_from(&p, 1, -1, "");
    unlink(p.path);
    unsigned char *longer = calloc(SIZE + 1, 1);
    assert_non_null(longer);
    test_bytes_write(p.part, longer, SIZE + 1);
    free(longer);
    test_bytes_write(p.validator, "\"one\"", 5);
    good(&p);
    asked_from(&p, 2, -1, "");
    unlink(p.path);
    test_bytes_write(p.part, file, SIZE);
    good(&p);
    assert_int_equal(p.web.asked, 3);
    unlink(p.path);
    assert_int_equal(mkdir(p.part, 0700), 0);
    bad(&p, OC_E_FORMAT, "no regular file");
    close_place(&p);
}

/* Whoever declares another length has another file; what has come before stays. */
static void test_other_length(void **state) {
    (void)state;
    static const int64_t lengths[] = {100, SIZE - 1, SIZE + 1, 1000000000000};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        const test_web_answer answers[] = {{.stop = 100000}, {.whole = true, .declare = lengths[i]}, {0}};
        char what[64];
        place p;
        open_place(&p, answers, 3);
        snprintf(what, sizeof what, "what is there has %lld bytes", (long long)lengths[i]);
        bad(&p, OC_E_MISMATCH, what);
        part_holds(&p, 100000);
        good(&p);
        asked_from(&p, 2, 100000, "\"one\"");
        close_place(&p);
    }
}

/* The same of a rest whose length is declared wrong while its range is right: all that it is is that range. */
static void test_lies_of_rest(void **state) {
    (void)state;
    static const test_web_answer answers[] = {{.stop = 100000}, {.declare = 1000, .stop = 1000}, {.declare = 900000}};
    place p;
    open_place(&p, answers, 3);
    good(&p);
    asked_from(&p, 2, 101000, "\"one\"");
    close_place(&p);
}

/* Without a declared length it is only seen at the end. */
static void test_undeclared(void **state) {
    (void)state;
    static const test_web_answer answers[] = {{.stop = 100000, .declare = -1}, {.declare = -1}};
    place p;
    open_place(&p, answers, 2);
    good(&p);
    asked_from(&p, 1, 100000, "\"one\"");
    unlink(p.path);
    p.archive.bytes = SIZE - 1;
    p.options.progress.fn = NULL;
    bad(&p, OC_E_MISMATCH, "longer");
    assert_int_equal(test_folder_entries(p.folder), 0);
    close_place(&p);
}

static void test_page(void **state) {
    (void)state;
    static const test_web_answer answers[] = {
        {.stop = 100000}, {.whole = true, .declare = -1, .head = "Content-Type: text/html; charset=utf-8\r\n"}};
    place p;
    open_place(&p, answers, 2);
    bad(&p, OC_E_MISMATCH, "a page");
    part_holds(&p, 100000);
    close_place(&p);
}

static void test_wrong_content(void **state) {
    (void)state;
    static const test_web_answer answer = {.data = other};
    place p;
    open_place(&p, &answer, 1);
    bad(&p, OC_E_MISMATCH, "its MD5 is");
    assert_non_null(strstr(p.err.message, "it was removed"));
    assert_int_equal(test_folder_entries(p.folder), 0);
    close_place(&p);
}

static void test_statuses(void **state) {
    (void)state;
    static const struct {
        int code;
        oc_status status;
    } cases[] = {{404, OC_E_NOT_FOUND}, {410, OC_E_NOT_FOUND}, {401, OC_E_IO}, {403, OC_E_IO}, {204, OC_E_IO}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const test_web_answer answer = {.status = cases[i].code};
        char text[32];
        place p;
        open_place(&p, &answer, 1);
        snprintf(text, sizeof text, "status %d", cases[i].code);
        bad(&p, cases[i].status, text);
        assert_int_equal(p.web.asked, 1);
        assert_int_equal(test_folder_entries(p.folder), 0);
        close_place(&p);
    }
}

static void test_busy_server(void **state) {
    (void)state;
    static const test_web_answer answers[] = {{.status = 500}, {.status = 429}, {0}};
    place p;
    open_place(&p, answers, 3);
    good(&p);
    assert_int_equal(p.web.asked, 3);
    close_place(&p);
}

static void test_redirects(void **state) {
    (void)state;
    static const test_web_answer answers[] = {
        {.status = 302, .head = "Location: /elsewhere\r\n", .validator = "ETag: \"no\"\r\n"}, {.stop = 100000}, {0}};
    static const test_web_answer to_file = {.status = 302, .head = "Location: file:///etc/passwd\r\n"};
    static const test_web_answer round = {.status = 302, .head = "Location: /" FILE_NAME "\r\n"};
    place p;
    open_place(&p, answers, 3);
    good(&p);
    assert_int_equal(p.web.asked, 3);
    asked_from(&p, 2, 100000, "\"one\"");
    close_place(&p);
    open_place(&p, &to_file, 1);
    bad(&p, OC_E_IO, "rotocol \"file\"");
    assert_int_equal(p.web.asked, 1);
    close_place(&p);
    open_place(&p, &round, 1);
    bad(&p, OC_E_IO, "redirects");
    close_place(&p);
}

static void test_addresses(void **state) {
    (void)state;
    static const char *const addresses[] = {"file:///etc/passwd", "ftp://127.0.0.1/a", "127.0.0.1/a", "", "http://",
                                            "http://a b/"};
    place p;
    open_place(&p, NULL, 0);
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        p.options.url = addresses[i];
        bad(&p, OC_E_USAGE, "http:// or https://");
    }
    /* The name is one that nobody may have (RFC 6761); port 1 has no server. One try, for that is final. */
    p.options.url = "http://nobody.invalid/";
    bad(&p, OC_E_IO, "esolv");
    p.options.url = "http://127.0.0.1:1/";
    bad(&p, OC_E_IO, "--url");
    assert_string_equal(p.log, "");
    assert_int_equal(test_folder_entries(p.folder), 0);
    close_place(&p);
}

static void test_stopped(void **state) {
    (void)state;
    static const test_web_answer answers[] = {{.pace = 5000}, {.status = 503}, {0}};
    place p;
    open_place(&p, answers, 3);
    p.stop_at = 20000;
    bad(&p, OC_E_STOPPED, "the same command goes on");
    assert_in_range(p.seen, 20000, SIZE - 1);
    part_holds(&p, (size_t)p.seen);
    const int64_t had = p.seen;
    /* In the pause between two tries, too. */
    p.options.wait = 30;
    p.stop_at = -1;
    p.stop_in_pause = true;
    bad(&p, OC_E_STOPPED, "kept");
    p.stop_in_pause = false;
    p.options.wait = 0.001;
    good(&p);
    asked_from(&p, 2, had, "\"one\"");
    close_place(&p);
}

static void test_two_at_once(void **state) {
    (void)state;
    place p;
    char path[320];
    oc_lock *lock = NULL;
    open_place(&p, NULL, 0);
    snprintf(path, sizeof path, "%s.lock", p.path);
    assert_int_equal(oc_lock_create_file(&lock, path, &p.err), OC_OK);
    bad(&p, OC_E_EXISTS, "another process");
    assert_int_equal(p.web.asked, 0);
    oc_lock_destroy(&lock);
    good(&p);
    close_place(&p);
}

/* A file system that is full, as far as the process goes: what fitted is kept. */
static void test_file_limit(void **state) {
    (void)state;
    place p;
    struct rlimit before, limit;
    open_place(&p, NULL, 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = 150000;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    const oc_status status = fetch(&p);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(status, OC_E_IO);
    assert_non_null(strstr(p.err.message, "ulimit -f"));
    assert_int_equal(p.web.asked, 1);
    good(&p);
    assert_true(p.web.requests[1].from > 0);
    close_place(&p);
}

/* Whichever operation on the disk fails: there is no file then, the next call succeeds, and no byte is fetched again
 * that was kept. */
static void test_disk_faults(void **state) {
    (void)state;
    static const int errors[] = {ENOSPC, EIO};
    bool failed = true;
    for (long nth = 1; failed; nth++) {
        place p;
        open_place(&p, NULL, 0);
        assert_in_range(nth, 1, 200);
        oc_fault_arm(nth, errors[nth % 2]);
        failed = fetch(&p) != OC_OK;
        oc_fault_arm(0, 0);
        if (failed) {
            assert_int_equal(p.err.status, OC_E_IO);
            assert_true(p.err.where[0]);
        }
        good(&p);
        if (!failed) assert_in_range(nth, 10, 200);
        close_place(&p);
    }
}

static void test_unwritable(void **state) {
    (void)state;
    place p;
    char below[300];
    open_place(&p, NULL, 0);
    snprintf(below, sizeof below, "%s/a-file", p.folder);
    test_bytes_write(below, "", 0);
    assert_int_equal(oc_fetch(NULL, &p.archive, below, &p.options, &p.err), OC_E_IO);
    assert_string_equal(p.err.where, below);
    if (geteuid() != 0) {
        assert_int_equal(chmod(p.folder, 0500), 0);
        bad(&p, OC_E_IO, "choose a folder that can be written");
        assert_int_equal(chmod(p.folder, 0700), 0);
    }
    assert_int_equal(p.web.asked, 0);
    close_place(&p);
}

static void test_content_range(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool good;
        int64_t first, whole;
    } cases[] = {
        {"bytes 0-9/10", true, 0, 10},
        {"Bytes 5-9/10", true, 5, 10},
        {"bytes 5-9/*", true, 5, -1},
        {"bytes 248100000-248100042/248100043", true, 248100000, 248100043},
        {"bytes 5-9/", false, 0, 0},
        {"bytes 5-9", false, 0, 0},
        {"bytes 9-5/10", false, 0, 0},
        {"bytes 5-10/10", false, 0, 0},
        {"bytes 5-9/10x", false, 0, 0},
        {"bytes 5-9/**", false, 0, 0},
        {"bytes */10", false, 0, 0},
        {"bytes -5-9/10", false, 0, 0},
        {"lines 5-9/10", false, 0, 0},
        {"bytes 5-9/99999999999999999999999", false, 0, 0},
        {"", false, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t first = 0, whole = 0;
        if (oc_content_range(cases[i].text, &first, &whole) != cases[i].good) fail_msg("%s", cases[i].text);
        if (!cases[i].good) continue;
        assert_int_equal(first, cases[i].first);
        assert_int_equal(whole, cases[i].whole);
    }
}

static void test_archives(void **state) {
    (void)state;
    const oc_archive *archive;
    oc_error err = {0};
    assert_int_equal(oc_archive_find(&archive, "tiny-imagenet", &err), OC_OK);
    assert_int_equal(archive->bytes, 248100043);
    assert_string_equal(archive->md5, "90528d7ca1a48142e341f4ef8d21d0de");
    assert_string_equal(archive->file, "tiny-imagenet-200.zip");
    assert_int_equal(oc_archive_find(&archive, "tiny-imagnet", &err), OC_E_USAGE);
    assert_non_null(strstr(err.message, "did you mean 'tiny-imagenet'?"));
    assert_int_equal(oc_archive_find(&archive, "cifar", &err), OC_E_USAGE);
    assert_null(strstr(err.message, "did you mean"));
    assert_non_null(strstr(err.message, "there are tiny-imagenet"));
}

/* Files of bytes that have no period, so that a part in the wrong place is seen. */
static int make_files(void **state) {
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_folder_is_made),
        cmocka_unit_test(test_wrong_file_there),
        cmocka_unit_test(test_drops),
        cmocka_unit_test(test_validators),
        cmocka_unit_test(test_no_validator),
        cmocka_unit_test(test_validator_goes),
        cmocka_unit_test(test_gives_up),
        cmocka_unit_test(test_endless),
        cmocka_unit_test(test_stalls),
        cmocka_unit_test(test_range_ignored),
        cmocka_unit_test(test_other_range),
        cmocka_unit_test(test_changed),
        cmocka_unit_test(test_416),
        cmocka_unit_test(test_found),
        cmocka_unit_test(test_other_length),
        cmocka_unit_test(test_lies_of_rest),
        cmocka_unit_test(test_undeclared),
        cmocka_unit_test(test_page),
        cmocka_unit_test(test_wrong_content),
        cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_busy_server),
        cmocka_unit_test(test_redirects),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_two_at_once),
        cmocka_unit_test(test_file_limit),
        cmocka_unit_test(test_disk_faults),
        cmocka_unit_test(test_unwritable),
        cmocka_unit_test(test_content_range),
        cmocka_unit_test(test_archives),
    };
    return cmocka_run_group_tests(tests, make_files, NULL);
}
