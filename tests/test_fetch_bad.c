/* links: fault-injection */
/* What fetching must refuse: servers that lie or have something else, addresses that are none, and disks that fail. */
#define _GNU_SOURCE 1
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "support/fetch_place.h"

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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_other_length), cmocka_unit_test(test_lies_of_rest),  cmocka_unit_test(test_undeclared),
        cmocka_unit_test(test_page),         cmocka_unit_test(test_wrong_content), cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_busy_server),  cmocka_unit_test(test_redirects),     cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_file_limit),   cmocka_unit_test(test_disk_faults),   cmocka_unit_test(test_unwritable),
    };
    return cmocka_run_group_tests(tests, make_files, NULL);
}
