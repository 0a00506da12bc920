/* Fetching, from servers that drop, stall, begin anew or have another file by now: what comes is the file, and what the
 * server was asked for is compared, too. */
#define _GNU_SOURCE 1
#include <sys/stat.h>
#include <unistd.h>

#include "base/lock.h"
#include "fetch/transfer.h"
#include "support/fetch_place.h"

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
        cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_two_at_once),
        cmocka_unit_test(test_content_range),
        cmocka_unit_test(test_archives),
    };
    return cmocka_run_group_tests(tests, make_files, NULL);
}
