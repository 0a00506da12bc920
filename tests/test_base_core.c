/* Errors, memory, clock, text, names and JSON of src/base. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/sort.h"
#include "base/text.h"

static void test_fail_fills_one_clean_line(void **state) {
    (void)state;
    oc_error err;
    assert_int_equal(oc_fail(&err, OC_E_FORMAT, "a\nb", "bad %s %d", "x\x1b[31m\ty\r\n", 7), OC_E_FORMAT);
    assert_int_equal(err.status, OC_E_FORMAT);
    assert_string_equal(err.message, "bad x?[31m y   7");
    assert_string_equal(err.where, "a b");
    /* valid UTF-8 stays; C1 controls and broken sequences do not */
    oc_fail(&err, OC_E_IO, NULL, "%s", "é€😀 \xC2\x9B \xFF \xE2\x82 \xC0\xAF \xED\xA0\x80");
    assert_string_equal(err.message, "é€😀 ?? ? ?? ?? ???");
    assert_string_equal(err.where, "");
    assert_int_equal(oc_fail(NULL, OC_E_MEMORY, "x", "y"), OC_E_MEMORY);
}

static void test_fail_cuts_and_may_quote_itself(void **state) {
    (void)state;
    char longer[2 * OC_ERROR_MESSAGE_SIZE];
    memset(longer, 'a', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    oc_error err;
    oc_fail(&err, OC_E_IO, longer, "%s", longer);
    assert_int_equal(strlen(err.message), OC_ERROR_MESSAGE_SIZE - 1);
    assert_int_equal(strlen(err.where), OC_ERROR_WHERE_SIZE - 1);
    oc_fail(&err, OC_E_IO, "place", "inner");
    oc_fail(&err, OC_E_FORMAT, err.where, "outer: %s", err.message);
    assert_string_equal(err.message, "outer: inner");
    assert_string_equal(err.where, "place");
}

/* Versions as numbers: 203 is 0.2.3. */
static void test_versions_that_fit(void **state) {
    (void)state;
    assert_true(oc_version_fits(OC_VERSION_NUMBER, oc_version_number()));
    assert_true(oc_version_fits(203, 204));
    assert_false(oc_version_fits(204, 203));
    assert_false(oc_version_fits(203, 300));
    assert_false(oc_version_fits(203, 10203));
    assert_true(oc_version_fits(10203, 10300));
    assert_false(oc_version_fits(10300, 10203));
    assert_false(oc_version_fits(10203, 20203));
    assert_false(oc_version_fits(0, 203));
}

static void test_status_and_version(void **state) {
    (void)state;
    for (int a = OC_OK; a <= OC_E_STOPPED; a++) {
        assert_string_not_equal(oc_status_text((oc_status)a), "unknown status");
        for (int b = OC_OK; b < a; b++)
            assert_string_not_equal(oc_status_text((oc_status)a), oc_status_text((oc_status)b));
    }
    assert_string_equal(oc_status_text((oc_status)99), "unknown status");
    /* three numbers between dots */
    const char *version = oc_version();
    for (int part = 0; part < 3; part++) {
        size_t digits = strspn(version, "0123456789");
        assert_in_range(digits, 1, 4);
        version += digits;
        if (part < 2) assert_int_equal(*version++, '.');
    }
    assert_int_equal(*version, '\0');
    assert_string_equal(oc_version(), OC_VERSION_STRING);
    assert_int_equal(oc_version_number(), OC_VERSION_NUMBER);
}

typedef struct heard {
    oc_log_level level;
    char line[64];
    int64_t done;
} heard;

static void hear(void *user, oc_log_level level, const char *line) {
    heard *h = user;
    h->level = level;
    snprintf(h->line, sizeof h->line, "%s", line);
}

static bool progressed(void *user, const char *what, int64_t done, int64_t total) {
    ((heard *)user)->done = done;
    assert_string_equal(what, "work");
    return done < total;
}

static void test_log_and_progress(void **state) {
    (void)state;
    heard h = {.done = -1};
    oc_log log = {hear, &h}, silent = {0};
    oc_log_line(&log, OC_LOG_WARN, "%d\nlines", 2);
    assert_int_equal(h.level, OC_LOG_WARN);
    assert_string_equal(h.line, "2 lines");
    oc_log_line(&silent, OC_LOG_INFO, "nobody");
    oc_log_line(NULL, OC_LOG_INFO, "nobody");
    oc_progress progress = {progressed, &h}, none = {0};
    assert_true(oc_progress_report(&progress, "work", 3, 4));
    assert_int_equal(h.done, 3);
    assert_false(oc_progress_report(&progress, "work", 4, 4));
    assert_true(oc_progress_report(&none, "work", 4, 4));
    assert_true(oc_progress_report(NULL, "work", 4, 4));
}

static void test_alloc(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 63, 64, 65, 4096, ((size_t)4 << 20) - 1, (size_t)4 << 20, ((size_t)5 << 20) + 3};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        unsigned char *memory;
        assert_int_equal(oc_alloc(&memory, sizes[i], 1, NULL), OC_OK);
        assert_int_equal((uintptr_t)memory % (sizes[i] >= (size_t)4 << 20 ? (size_t)2 << 20 : OC_ALIGNMENT), 0);
        size_t sum = 0;
        for (size_t j = 0; j < sizes[i]; j++) sum += memory[j];
        assert_int_equal(sum, 0);
        memset(memory, 1, sizes[i]);
        oc_free(memory);
    }
    oc_error err;
    void *memory = &err;
    assert_int_equal(oc_alloc(&memory, 0, 8, &err), OC_OK);
    assert_null(memory);
    memory = &err;
    assert_int_equal(oc_alloc(&memory, SIZE_MAX / 2, 3, &err), OC_E_MEMORY);
    assert_null(memory);
    assert_int_equal(oc_alloc(&memory, PTRDIFF_MAX, 1, &err), OC_E_MEMORY);
    oc_free(NULL);
}

static void test_grow(void **state) {
    (void)state;
    int *array = NULL;
    size_t capacity = 0, moves = 0;
    for (size_t i = 0; i < 10000; i++) {
        const int *before = array;
        assert_int_equal(oc_grow(&array, &capacity, i + 1, sizeof *array, NULL), OC_OK);
        assert_true(capacity > i);
        assert_int_equal(array[i], 0);
        array[i] = (int)i + 1;
        moves += array != before;
    }
    for (size_t i = 0; i < 10000; i++) assert_int_equal(array[i], (int)i + 1);
    assert_true(moves < 20);
    size_t kept = capacity;
    assert_int_equal(oc_grow(&array, &capacity, SIZE_MAX, sizeof *array, NULL), OC_E_MEMORY);
    assert_int_equal(oc_grow(&array, &capacity, SIZE_MAX / 2, sizeof *array, NULL), OC_E_MEMORY);
    assert_int_equal(capacity, kept);
    assert_int_equal(array[9999], 10000);
    oc_free(array);
}

static int compare_tens(const void *a, const void *b) {
    return *(const int *)a / 10 - *(const int *)b / 10;
}

/* What is out of order anywhere is sorted; what is in order stays, equal elements too. */
static void test_sort(void **state) {
    (void)state;
    for (int place = 0; place < 6; place++) {
        int values[] = {10, 20, 30, 40, 50, 60};
        values[place] = 35;
        oc_sort(values, 6, sizeof *values, compare_tens);
        for (int i = 1; i < 6; i++) assert_true(values[i - 1] / 10 <= values[i] / 10);
    }
    int values[] = {13, 11, 12, 29, 21};
    oc_sort(values, 5, sizeof *values, compare_tens);
    assert_memory_equal(values, ((const int[]){13, 11, 12, 29, 21}), sizeof values);
    oc_sort(NULL, 0, 1, compare_tens);
}

static void test_size_mul_and_clock(void **state) {
    (void)state;
    size_t out;
    assert_true(oc_size_mul(SIZE_MAX, 1, &out));
    assert_true(out == SIZE_MAX);
    assert_false(oc_size_mul(SIZE_MAX / 2 + 1, 2, &out));
    double first = oc_clock_seconds(), second = oc_clock_seconds();
    assert_true(first > 0 && second >= first && second - first < 60);
}

static void test_text(void **state) {
    (void)state;
    oc_text text = {0};
    assert_int_equal(oc_text_append(&text, "", 0, NULL), OC_OK);
    assert_int_equal(oc_text_printf(&text, NULL, "%s", ""), OC_OK);
    assert_null(text.data);
    for (int i = 0; i < 1000; i++) assert_int_equal(oc_text_printf(&text, NULL, "%03d,", i), OC_OK);
    assert_int_equal(text.size, 4000);
    assert_memory_equal(text.data + 4 * 567, "567,", 4);
    assert_int_equal(oc_text_append(&text, "a\0b", 3, NULL), OC_OK);
    assert_int_equal(text.size, 4003);
    assert_memory_equal(text.data + 4000, "a\0b", 4);
    oc_text_free(&text);
    assert_null(text.data);
    assert_int_equal(text.size + text.capacity, 0);
}

/* As many items as the limit are all named. */
static void test_text_list(void **state) {
    static const char *const texts[] = {NULL, "0", "0, 1", "0, 1, 2", "0, 1, 2 and 1 more", "0, 1, 2 and 2 more"};
    (void)state;
    for (int count = 0; count < 6; count++) {
        oc_text_list list = {.limit = 3};
        for (int i = 0; i < count; i++) assert_int_equal(oc_text_list_add(&list, NULL, "%d", i), OC_OK);
        assert_int_equal(oc_text_list_close(&list, NULL), OC_OK);
        assert_int_equal(list.count, count);
        if (texts[count])
            assert_string_equal(list.text.data, texts[count]);
        else
            assert_null(list.text.data);
        oc_text_list_free(&list);
        assert_null(list.text.data);
    }
}

static void test_names(void **state) {
    (void)state;
    static const char *const given[] = {"b", "a", "B", "é", "", "ab", "Z"};
    static const char *const sorted[] = {"", "B", "Z", "a", "ab", "b", "é"};
    oc_names names = {0};
    assert_int_equal(oc_names_find(&names, "a"), -1);
    oc_names_sort(&names);
    for (size_t i = 0; i < 7; i++) assert_int_equal(oc_names_add(&names, given[i], NULL), OC_OK);
    oc_names_sort(&names);
    assert_int_equal(names.count, 7);
    for (size_t i = 0; i < 7; i++) {
        assert_string_equal(names.item[i], sorted[i]);
        assert_int_equal(oc_names_find(&names, sorted[i]), i);
    }
    assert_int_equal(oc_names_find(&names, "aa"), -1);
    assert_int_equal(oc_names_find(&names, "zz"), -1);
    oc_names_free(&names);
    assert_int_equal(names.count, 0);
}

/* "é" in one code point and in two, and a letter of Korean in one and in three. */
static void test_alike(void **state) {
    (void)state;
    static const struct {
        const char *a, *b;
        bool alike;
    } cases[] = {
        {"", "", true},
        {"cafe", "cafe", true},
        {"caf\xc3\xa9", "cafe\xcc\x81", true},
        {"caf\xc3\xa9", "cafe", false},
        {"caf\xc3\xa9", "Cafe\xcc\x81", false},
        {"\xed\x95\x9c", "\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab", true},
        {"\xff", "\xff", true},
        {"\xff", "\xfe", false},
        {"\xef\xac\x81", "fi", false}, /* a ligature is another text */
    };
    oc_names names = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(oc_text_alike(cases[i].a, cases[i].b) == cases[i].alike);
        assert_true(oc_text_alike(cases[i].b, cases[i].a) == cases[i].alike);
    }
    assert_int_equal(oc_names_add(&names, "cafe", NULL), OC_OK);
    assert_int_equal(oc_names_add(&names, "cafe\xcc\x81", NULL), OC_OK);
    assert_int_equal(oc_names_find_alike(&names, "cafe"), 0);
    assert_int_equal(oc_names_find_alike(&names, "caf\xc3\xa9"), 1);
    assert_int_equal(oc_names_find_alike(&names, "cafe\xcc\x81"), 1);
    assert_int_equal(oc_names_find_alike(&names, "caf\xc3\xa8"), -1);
    oc_names_free(&names);
}

static void test_nearest(void **state) {
    (void)state;
    static const char *const keys[] = {"optimizer.lr", "optimizer.momentum", "train.epochs", "schedule.name", NULL};
    static const struct {
        const char *word, *nearest;
    } cases[] = {
        {"optimizer.lr", "optimizer.lr"},
        {"optimiser.lr", "optimizer.lr"},
        {"otpimizer.lr", "optimizer.lr"},
        {"train.epoch", "train.epochs"},
        {"optimzer.lr1", "optimizer.lr"},
        {"epochs", NULL},
        {"completely.different", NULL},
        {"", NULL},
        {"optimizer.momentun", "optimizer.momentum"},
        {"OPTIMIZER.LR", "optimizer.lr"},
        {"Otpimizer.Lr", "optimizer.lr"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *found = oc_text_nearest(cases[i].word, keys, 5);
        if (!cases[i].nearest)
            assert_null(found);
        else
            assert_string_equal(found, cases[i].nearest);
    }
    /* an exchange of neighbours counts once: it is nearer than two substitutions, whatever the order */
    static const char *const pair[] = {"xbcy", "bacd"};
    assert_string_equal(oc_text_nearest("abcd", pair, 2), "bacd");
    char longer[1000];
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    const char *one = longer;
    assert_null(oc_text_nearest(longer, &one, 1));
    assert_null(oc_text_nearest("a", &one, 1));
    assert_null(oc_text_nearest("a", NULL, 0));
}

/* As Python's csv and pandas write it, and cut like snprintf's where there is no room. */
static void test_csv_field(void **state) {
    (void)state;
    static const char *const fields[][2] = {
        {"", ""},           {"plain 'x';\t", "plain 'x';\t"},   {"a,b", "\"a,b\""},
        {"\"", "\"\"\"\""}, {"say \"x\"", "\"say \"\"x\"\"\""}, {"a\nb\r", "\"a\nb\r\""},
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        char out[32];
        const size_t length = strlen(fields[i][1]);
        assert_int_equal(oc_csv_field(NULL, 0, fields[i][0]), length);
        assert_int_equal(oc_csv_field(out, length + 1, fields[i][0]), length);
        assert_string_equal(out, fields[i][1]);
        for (size_t size = 1; size <= length; size++) {
            memset(out, '#', sizeof out);
            assert_int_equal(oc_csv_field(out, size, fields[i][0]), length);
            assert_memory_equal(out, fields[i][1], size - 1);
            assert_int_equal(out[size - 1], '\0');
            assert_int_equal(out[size], '#');
        }
    }
}

static void test_json(void **state) {
    (void)state;
    json_t *json;
    char *text;
    oc_error err;
    static const char good[] = "{\"b\": 1, \"a\": [true, null, \"\\u00e9\"]}";
    assert_int_equal(oc_json_parse(&json, good, strlen(good), "x", &err), OC_OK);
    assert_int_equal(oc_json_text(&text, json, &err), OC_OK);
    assert_string_equal(text, "{\"b\":1,\"a\":[true,null,\"é\"]}");
    oc_free(text);
    json_decref(json);
    static const char *const bad[] = {"",     "{",    "{\"a\":1,\"a\":2}",  "{\"a\":1} x",
                                      "[1,]", "\xff", "{\"a\":\"\\u0000\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(oc_json_parse(&json, bad[i], strlen(bad[i]), "here", &err), OC_E_FORMAT);
        assert_null(json);
        assert_string_equal(err.where, "here");
    }
    assert_int_equal(oc_json_parse(&json, "{\n  \"a\": tru\n}", 14, "here", &err), OC_E_FORMAT);
    assert_non_null(strstr(err.message, "line 2, column"));
    assert_int_equal(oc_json_read(&json, "/nonexistent/file.json", &err), OC_E_NOT_FOUND);
    assert_null(json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fail_fills_one_clean_line),
        cmocka_unit_test(test_fail_cuts_and_may_quote_itself),
        cmocka_unit_test(test_status_and_version),
        cmocka_unit_test(test_versions_that_fit),
        cmocka_unit_test(test_log_and_progress),
        cmocka_unit_test(test_alloc),
        cmocka_unit_test(test_grow),
        cmocka_unit_test(test_sort),
        cmocka_unit_test(test_size_mul_and_clock),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_text_list),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_alike),
        cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_csv_field),
        cmocka_unit_test(test_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
