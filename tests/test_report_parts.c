/* What a report is made of, one function at a time: base64, filling the page, the order of classes, steps.csv in
 * stretches, who holds a folder, and how much memory was taken. */
#define _GNU_SOURCE 1
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/lock.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/text.h"
#include "record/record.h"
#include "report/page.h"
#include "report/report.h"
#include "support/bytes.h"
#include "support/run.h"
#include "support/temporary.h"

#define SEED 20250211

static char folder[256];

static int create_folder(void **state) {
    (void)state;
    test_temporary_create(folder, sizeof folder);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    test_temporary_remove(folder);
    return 0;
}

/* ---- Base64 ------------------------------------------------------------------------------------------------------ */

/* The test vectors of RFC 4648, section 10; then bytes of every value, whose digits are known by their place. */
static void test_base64(void **state) {
    (void)state;
    static const struct {
        const char *plain, *coded;
    } vectors[] = {{"", ""},
                   {"f", "Zg=="},
                   {"fo", "Zm8="},
                   {"foo", "Zm9v"},
                   {"foob", "Zm9vYg=="},
                   {"fooba", "Zm9vYmE="},
                   {"foobar", "Zm9vYmFy"}};
    oc_text all = {0};
    char expected[64] = "";
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        oc_text text = {0};
        assert_int_equal(oc_text_base64(&text, vectors[i].plain, strlen(vectors[i].plain), NULL), OC_OK);
        assert_int_equal(text.size, strlen(vectors[i].coded));
        assert_string_equal(text.data ? text.data : "", vectors[i].coded);
        oc_text_free(&text);
        assert_int_equal(oc_text_base64(&all, vectors[i].plain, strlen(vectors[i].plain), NULL), OC_OK);
        strcat(expected, vectors[i].coded);
    }
    assert_string_equal(all.data, expected); /* appended to what is there */
    oc_text_free(&all);

    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t bytes[255];
    for (int i = 0; i < 255; i++) bytes[i] = (uint8_t)(255 - i);
    oc_text text = {0};
    assert_int_equal(oc_text_base64(&text, bytes, sizeof bytes, NULL), OC_OK);
    assert_int_equal(text.size, 340);
    for (size_t digit = 0; digit < 340; digit++) {
        int value = 0;
        for (size_t bit = 6 * digit; bit < 6 * digit + 6; bit++)
            value = 2 * value + (bytes[bit / 8] >> (7 - bit % 8) & 1);
        assert_int_equal(text.data[digit], digits[value]);
    }
    oc_text_free(&text);
}

/* ---- The page ---------------------------------------------------------------------------------------------------- */

static void check_fill(const char *page, const char *json, bool live, const char *expected) {
    oc_text out = {0};
    /* Of just its size, so that a reader beyond its end is seen. */
    unsigned char *bytes = malloc(strlen(page) + 1);
    memcpy(bytes, page, strlen(page));
    assert_int_equal(oc_page_fill(&out, bytes, strlen(page), json, live, NULL), OC_OK);
    assert_string_equal(out.data ? out.data : "", expected);
    assert_int_equal(out.size, strlen(expected));
    free(bytes);
    oc_text_free(&out);
}

static void test_fill(void **state) {
    (void)state;
    check_fill("<p>", "1", false, "<p>");
    check_fill("{{data}}", "[1]", false, "[1]");
    check_fill("{{connect}}", "[1]", false, "'none'");
    check_fill("{{connect}}", "[1]", true, "'self'");
    check_fill("a{{connect}}b{{data}}c", "[1]", false, "a'none'b[1]c");
    check_fill("a{{data}}b{{connect}}c{{data}}{{connect}}", "{}", true, "a{}b'self'c{}'self'");
    /* What only looks like a place. */
    check_fill("{{dat{{data}}}} {{data", "2", false, "{{dat2}} {{data");
    check_fill("{{ data }}{{Data}}{{connect}", "2", false, "{{ data }}{{Data}}{{connect}");
    /* No text in the numbers ends the script that holds them, begins another, or is a place itself. */
    check_fill("<script>{{data}}</script>{{connect}}",
               "[\"</script><script>alert(1)</script>\",\"<!--\",\"{{data}}{{connect}}\",\"<\"]", false,
               "<script>[\"\\u003c/script>\\u003cscript>alert(1)\\u003c/script>\",\"\\u003c!--\","
               "\"{{data}}{{connect}}\",\"\\u003c\"]</script>'none'");
}

static size_t count_of(const unsigned char *text, size_t size, const char *what) {
    size_t count = 0;
    const unsigned char *at = text, *end = text + size;
    while ((at = memmem(at, (size_t)(end - at), what, strlen(what)))) {
        count++;
        at++;
    }
    return count;
}

/* The page that is built in has one place for each, and nothing of how it was put together is left in it. */
static void test_page(void **state) {
    (void)state;
    const unsigned char *page = oc_page_report;
    const size_t size = oc_page_report_size;
    assert_int_equal(count_of(page, size, "{{data}}"), 1);
    assert_int_equal(count_of(page, size, "{{connect}}"), 1);
    assert_int_equal(count_of(page, size, "{{policy}}"), 0);
    assert_int_equal(count_of(page, size, "<script src="), 0);
    assert_int_equal(count_of(page, size, "rel=\"stylesheet\""), 0);
    assert_int_equal(count_of(page, size, "default-src 'none'"), 1);
    assert_true(count_of(page, size, "'sha256-") >= 3); /* Chart.js, the script, the style */
    assert_int_equal(count_of(page, size, "'unsafe-"), 0);
    assert_int_equal(count_of(page, size, "</script>"), count_of(page, size, "<script"));
    assert_true(size < 600000);
}

/* ---- The order of classes ---------------------------------------------------------------------------------------- */

static void check_permutation(const int32_t *order, int64_t classes) {
    bool *seen = calloc((size_t)classes, sizeof *seen);
    for (int64_t i = 0; i < classes; i++) {
        assert_in_range(order[i], 0, classes - 1);
        assert_false(seen[order[i]]);
        seen[order[i]] = true;
    }
    free(seen);
}

/* Orders the classes, twice: the same comes out. */
static void order_make(int32_t *order, const int64_t *confusion, int64_t classes) {
    int32_t *again = calloc((size_t)classes, sizeof *again);
    assert_int_equal(oc_similar_order(order, confusion, classes, NULL), OC_OK);
    assert_int_equal(oc_similar_order(again, confusion, classes, NULL), OC_OK);
    check_permutation(order, classes);
    assert_memory_equal(order, again, (size_t)classes * sizeof *order);
    free(again);
}

static void test_order_few(void **state) {
    (void)state;
    int32_t order[4];
    order_make(order, (const int64_t[]){7}, 1);
    assert_int_equal(order[0], 0);
    order_make(order, (const int64_t[]){1, 2, 3, 4}, 2);
    assert_int_equal(order[0], 0);
    assert_int_equal(order[1], 1);
    order_make(order, (const int64_t[16]){0}, 4); /* nothing was guessed */
    /* 0 is taken for 3 and never the other way round; 1 and 2 are alone. */
    order_make(order, (const int64_t[]){5, 0, 0, 5, 0, 9, 1, 0, 0, 1, 9, 0, 0, 0, 0, 10}, 4);
    for (int i = 0; i < 4; i++)
        if (order[i] == 0) assert_true((i > 0 && order[i - 1] == 3) || (i < 3 && order[i + 1] == 3));
}

/* Shuffled families whose members are taken for each other stand together, though noise goes across. */
static void test_order_families(void **state) {
    (void)state;
    enum { FAMILIES = 9, MEMBERS = 5, CLASSES = FAMILIES * MEMBERS };
    int64_t *confusion = calloc((size_t)CLASSES * CLASSES, sizeof *confusion);
    int family[CLASSES];
    int32_t order[CLASSES];
    oc_random random;
    oc_random_init(&random, SEED, 0, 0, 0);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < CLASSES; i++) family[i] = i % FAMILIES;
        for (int i = CLASSES - 1; i > 0; i--) {
            const int other = (int)(oc_random_uniform(&random) * (i + 1)), kept = family[i];
            family[i] = family[other];
            family[other] = kept;
        }
        for (int a = 0; a < CLASSES; a++)
            for (int b = 0; b < CLASSES; b++)
                confusion[a * CLASSES + b] = a == b                   ? 40
                                             : family[a] == family[b] ? 3 + (int)(3 * oc_random_uniform(&random))
                                                                      : (int)(2 * oc_random_uniform(&random));
        order_make(order, confusion, CLASSES);
        for (int i = 1; i < CLASSES; i++)
            if (i % MEMBERS != 0) assert_int_equal(family[order[i]], family[order[i - 1]]);
    }
    free(confusion);
}

/* How often one of two classes is taken for the other, of their images each. */
static double similarity(const int64_t *confusion, int classes, int a, int b) {
    double of_a = 0, of_b = 0;
    for (int c = 0; c < classes; c++) {
        of_a += (double)confusion[a * classes + c];
        of_b += (double)confusion[b * classes + c];
    }
    return (of_a > 0 ? (double)confusion[a * classes + b] / of_a : 0) +
           (of_b > 0 ? (double)confusion[b * classes + a] / of_b : 0);
}

/* Average linkage done the long way: each cluster that it makes must stand together in the order, and its two parts
 * must meet where they are most alike of their four ends. */
static void check_linkage(const int64_t *confusion, int classes, const int32_t *order) {
    int place[64], cluster[64];
    assert_true(classes <= 64);
    for (int i = 0; i < classes; i++) {
        place[order[i]] = i;
        cluster[i] = i;
    }
    for (int merges = 1; merges < classes; merges++) {
        double most = -1;
        int one = -1, other = -1;
        for (int a = 0; a < classes; a++)
            for (int b = a + 1; b < classes; b++) {
                double sum = 0, count = 0;
                for (int i = 0; i < classes; i++)
                    for (int j = 0; j < classes; j++)
                        if (cluster[i] == a && cluster[j] == b) {
                            sum += similarity(confusion, classes, i, j);
                            count++;
                        }
                if (count == 0 || sum / count <= most) continue;
                most = sum / count;
                one = a;
                other = b;
            }
        int low[2] = {classes, classes}, high[2] = {-1, -1}, size[2] = {0, 0};
        for (int i = 0; i < classes; i++) {
            if (cluster[i] != one && cluster[i] != other) continue;
            const int part = cluster[i] == other;
            size[part]++;
            if (place[i] < low[part]) low[part] = place[i];
            if (place[i] > high[part]) high[part] = place[i];
        }
        for (int part = 0; part < 2; part++) assert_int_equal(high[part] - low[part] + 1, size[part]);
        const int first = low[0] < low[1] ? 0 : 1, second = 1 - first;
        assert_int_equal(high[first] + 1, low[second]);
        const double meet = similarity(confusion, classes, order[high[first]], order[low[second]]);
        for (int turn = 0; turn < 4; turn++)
            assert_true(meet >= similarity(confusion, classes, order[turn & 1 ? low[first] : high[first]],
                                           order[turn & 2 ? high[second] : low[second]]) -
                                    1e-6);
        for (int i = 0; i < classes; i++)
            if (cluster[i] == other) cluster[i] = one;
    }
}

static void test_order_linkage(void **state) {
    (void)state;
    enum { CLASSES = 24 };
    static int64_t confusion[CLASSES * CLASSES];
    int32_t order[CLASSES];
    oc_random random;
    print_message("seed %d\n", SEED);
    oc_random_init(&random, SEED, 1, 0, 0);
    for (int round = 0; round < 6; round++) {
        /* Counts of all sizes, so that no two averages are equal; in odd rounds only one way, and a class of no images.
         */
        for (int a = 0; a < CLASSES; a++)
            for (int b = 0; b < CLASSES; b++)
                confusion[a * CLASSES + b] =
                    (round % 2 && (a < b || a == 20)) ? 0 : (int64_t)exp(oc_random_range(&random, 0, 12));
        order_make(order, confusion, CLASSES);
        check_linkage(confusion, CLASSES, order);
    }
}

static double order_seconds(int32_t *order, const int64_t *confusion, int64_t classes) {
    struct timespec begin, end;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
    assert_int_equal(oc_similar_order(order, confusion, classes, NULL), OC_OK);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    check_permutation(order, classes);
    return (double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec);
}

/* Many classes of which none is like another take no longer than such as differ: in a good model there are many. */
static void test_order_many(void **state) {
    (void)state;
    const int64_t classes = 1500;
    int64_t *confusion = calloc((size_t)(classes * classes), sizeof *confusion);
    int32_t *order = calloc(5000, sizeof *order);
    oc_random random;
    oc_random_init(&random, SEED, 3, 0, 0);
    for (int64_t c = 0; c < classes; c++) confusion[c * classes + c] = 50;
    const double alike = order_seconds(order, confusion, classes);
    for (int64_t i = 0; i < classes * classes; i++) confusion[i] += (int64_t)oc_random_range(&random, 0, 1000);
    const double different = order_seconds(order, confusion, classes);
    print_message("%d classes in %.2f s, and different ones in %.2f s\n", (int)classes, alike, different);
    assert_true(alike < 3 * different + 0.2);
    /* Beyond what is clustered they stay as they are; the numbers are not looked at. */
    assert_int_equal(oc_similar_order(order, confusion, 5000, NULL), OC_OK);
    for (int i = 0; i < 5000; i++) assert_int_equal(order[i], i);
    free(confusion);
    free(order);
}

/* ---- steps.csv --------------------------------------------------------------------------------------------------- */

static char steps_path[300];

static void steps_write(const char *text) {
    snprintf(steps_path, sizeof steps_path, "%s/steps.csv", folder);
    test_bytes_write(steps_path, text, strlen(text));
}

static void steps_read(const char *text, size_t most, const oc_step_mean *expected, size_t expected_count) {
    oc_step_mean *means = NULL;
    size_t count = 99;
    oc_error error = {0};
    steps_write(text);
    test_require(oc_steps_read(&means, &count, most, steps_path, &error), OC_OK, &error);
    assert_int_equal(count, expected_count);
    if (count == 0) assert_null(means);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(means[i].step, expected[i].step);
        if (isnan(expected[i].loss))
            assert_true(isnan(means[i].loss));
        else
            assert_float_equal(means[i].loss, expected[i].loss, 1e-12);
        assert_float_equal(means[i].lr, expected[i].lr, 1e-15);
    }
    oc_free(means);
}

#define HEADER "step,loss,lr\n"

static void test_steps(void **state) {
    (void)state;
#define FIVE HEADER "1,2,0.1\n2,4,0.2\n3,1,0.3\n4,7,0.4\n5,0.5,0.5\n"
    /* Fewer than are wanted, as many: each its own. */
    static const oc_step_mean each[] = {{1, 2, 0.1}, {2, 4, 0.2}, {3, 1, 0.3}, {4, 7, 0.4}, {5, 0.5, 0.5}};
    steps_read(FIVE, 200, each, 5);
    steps_read(FIVE, 5, each, 5);
    /* More: means of equally many, the last stretch shorter. */
    static const oc_step_mean by_two[] = {{2, 3, 0.15}, {4, 4, 0.35}, {5, 0.5, 0.5}};
    steps_read(FIVE, 4, by_two, 3);
    steps_read(FIVE, 3, by_two, 3);
    static const oc_step_mean by_three[] = {{3, 7.0 / 3, 0.2}, {5, 3.75, 0.45}};
    steps_read(FIVE, 2, by_three, 2);
    static const oc_step_mean whole[] = {{5, 2.9, 0.3}};
    steps_read(FIVE, 1, whole, 1);
    /* A torn last line is left out, whatever is in it. */
    steps_read(FIVE "6,1", 200, each, 5);
    steps_read(FIVE "6", 200, each, 5);
    steps_read(FIVE "6,1,0.6", 200, each, 5);
    /* Nothing yet: no row, no whole header, nothing at all. */
    steps_read(HEADER, 200, NULL, 0);
    steps_read(HEADER "1,2", 200, NULL, 0);
    steps_read("step,lo", 200, NULL, 0);
    steps_read("", 200, NULL, 0);
}

/* A loss that is no number is an empty field: it is not the number behind it, nor is that of the next line. */
static void test_steps_without_loss(void **state) {
    (void)state;
    static const oc_step_mean each[] = {{1, 2, 0.1}, {2, NAN, 0.2}, {3, 1, 0.3}};
    steps_read(HEADER "1,2,0.1\n2,,0.2\n3,1,0.3\n", 200, each, 3);
    static const oc_step_mean by_two[] = {{2, NAN, 0.15}, {3, 1, 0.3}};
    steps_read(HEADER "1,2,0.1\n2,,0.2\n3,1,0.3\n", 2, by_two, 2);
    oc_step_mean *means = NULL;
    size_t count = 0;
    steps_write(HEADER "1,2,\n2,3,0.5\n");
    assert_int_equal(oc_steps_read(&means, &count, 200, steps_path, NULL), OC_OK);
    assert_int_equal(count, 2);
    assert_true(isnan(means[0].lr) && means[0].loss == 2 && means[1].step == 2 && means[1].lr == 0.5);
    oc_free(means);
    /* Beyond all bounds is no mean of numbers either. */
    steps_write(HEADER "1,inf,0.1\n2,3,0.5\n");
    assert_int_equal(oc_steps_read(&means, &count, 1, steps_path, NULL), OC_OK);
    assert_int_equal(count, 1);
    assert_false(isfinite(means[0].loss));
    oc_free(means);
}

static void test_steps_damaged(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int line;
    } bad[] = {{HEADER "1,2,0.1\nx,2,0.1\n", 3},   {HEADER "1,2,0.1\n2,3\n", 3},
               {HEADER "1,2,0.1,7\n", 2},          {HEADER ",2,0.1\n", 2},
               {HEADER "1,2,0.1\n\n3,4,5\n", 3},   {HEADER "1,2,0.1\n\n", 3},
               {HEADER "1,2,0.1\n2,3, \n", 3},     {HEADER "1,2,0.1x\n", 2},
               {HEADER "-1,2,0.1\n", 2},           {HEADER "nan,2,0.1\n", 2},
               {HEADER "1,2,0.1\n2,\n3,4,5\n", 3}, {HEADER "1 ,2,0.1\n", 2},
               {HEADER "1,2,0.1\n2,\n,0.1\n", 3},  {HEADER "1e300,2,0.1\n", 2},
               {HEADER "1.5,2,0.1\n", 2},          {HEADER "1,2,0.1\n \n 3,4,0.5\n", 3},
               {HEADER "1,2,0.1\n2,loss,0.1\n", 3}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        oc_step_mean *means = NULL;
        size_t count = 99;
        oc_error error = {0};
        char where[400];
        steps_write(bad[i].text);
        if (oc_steps_read(&means, &count, 200, steps_path, &error) != OC_E_FORMAT) fail_msg("taken: %s", bad[i].text);
        assert_null(means);
        assert_int_equal(count, 0);
        snprintf(where, sizeof where, "%s:%d", steps_path, bad[i].line);
        assert_string_equal(error.where, where);
    }
    oc_step_mean *means = NULL;
    size_t count = 99;
    oc_error error = {0};
    snprintf(steps_path, sizeof steps_path, "%s/none.csv", folder);
    assert_int_equal(oc_steps_read(&means, &count, 200, steps_path, &error), OC_E_NOT_FOUND);
    assert_null(means);
}

/* Memory that nothing may touch, where the next mapping most likely ends: below it, as Linux hands addresses out. */
#define GUARDS 8
static void guards_make(char *guard[GUARDS], size_t size) {
    for (int i = 0; i < GUARDS; i++) {
        guard[i] = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_ptr_not_equal(guard[i], MAP_FAILED);
    }
}

/* A table that ends with its memory page, so that a reader which goes on behind its end is seen. */
static void test_steps_of_whole_pages(void **state) {
    (void)state;
    const size_t size = (size_t)sysconf(_SC_PAGESIZE);
    char *text = malloc(size + 1);
    static const char *const ends[] = {"7,,\n", "7,1,0.5\n", "\n", "7,1, \n", " \n"};
    static const oc_status expected[] = {OC_OK, OC_OK, OC_E_FORMAT, OC_E_FORMAT, OC_E_FORMAT};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        oc_step_mean *means = NULL;
        size_t count = 0, at = strlen(HEADER);
        oc_error error = {0};
        memset(text, '0', size);
        memcpy(text, HEADER, at);
        memcpy(text + at, "1,2,", 4); /* one long row, and then the last */
        text[size - strlen(ends[i]) - 1] = '\n';
        memcpy(text + size - strlen(ends[i]), ends[i], strlen(ends[i]));
        text[size] = '\0';
        steps_write(text);
        char *guard[GUARDS];
        guards_make(guard, size);
        test_require(oc_steps_read(&means, &count, 200, steps_path, &error), expected[i], &error);
        for (int g = 0; g < GUARDS; g++) assert_int_equal(munmap(guard[g], size), 0);
        assert_int_equal(count, expected[i] == OC_OK ? 2 : 0);
        oc_free(means);
    }
    free(text);
}

/* ---- Figures of metrics.csv -------------------------------------------------------------------------------------- */

/* The first of the highest top-1; rows without one do not take its place. */
static void test_best_row(void **state) {
    (void)state;
    const double none = NAN;
    oc_metrics rows[6] = {0};
    const double top1[] = {none, 0.25, 0.5, 0.5, none, 0.125};
    for (int i = 0; i < 6; i++) {
        rows[i] = (oc_metrics){.epoch = i, .val_top1 = top1[i], .elapsed_seconds = 10 * i + 1};
        rows[i].images_per_second = i == 0 ? NAN : i == 1 ? 100 : 300;
    }
    for (size_t count = 0; count <= 6; count++) {
        const oc_metrics_figures f = oc_metrics_figures_of(rows, count);
        assert_int_equal(f.epochs, (int64_t)count - 1);
        if (count < 2) {
            assert_true(isnan(f.top1));
            assert_true(isnan(f.images_per_second));
            continue;
        }
        assert_float_equal(f.top1, count == 2 ? 0.25 : 0.5, 0);
        assert_int_equal(f.best_epoch, count == 2 ? 1 : 2);
        assert_float_equal(f.seconds, 10 * (double)count - 9, 0);
        const double timed = (double)count - 1; /* epochs of as many images each: the slow one counts longer */
        assert_float_equal(f.images_per_second, timed / (1.0 / 100 + (timed - 1) / 300), 1e-9);
    }
}

/* ---- Locks and memory -------------------------------------------------------------------------------------------- */

static void test_lock_held(void **state) {
    (void)state;
    oc_lock *lock = NULL;
    oc_error error = {0};
    char other[300], byte;
    int ready[2], go[2], status;
    if (access("/proc/locks", R_OK) != 0) skip();
    snprintf(other, sizeof other, "%s/other", folder);
    assert_false(oc_lock_held(folder));
    assert_false(oc_lock_held(other)); /* which is not there */
    /* By oneself. */
    test_require(oc_lock_create(&lock, folder, &error), OC_OK, &error);
    if (!lock) skip(); /* the file system has none */
    assert_true(oc_lock_held(folder));
    assert_false(oc_lock_held("/"));
    oc_lock_destroy(&lock);
    assert_false(oc_lock_held(folder));
    /* By another process, until it ends. */
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(go), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(go[1]);
        const bool locked = oc_lock_create(&lock, folder, NULL) == OC_OK && lock;
        if (write(ready[1], locked ? "y" : "n", 1) == 1) (void)!read(go[0], &byte, 1);
        _exit(0); /* without giving it back */
    }
    close(go[0]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    assert_true(oc_lock_held(folder));
    assert_true(oc_lock_held(folder)); /* looking takes nothing */
    assert_int_equal(oc_lock_create(&lock, folder, NULL), OC_E_EXISTS);
    close(go[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_false(oc_lock_held(folder));
    close(ready[0]);
    close(ready[1]);
    /* Looking is in nobody's way. */
    test_require(oc_lock_create(&lock, folder, &error), OC_OK, &error);
    oc_lock_destroy(&lock);
}

static void test_memory_peak(void **state) {
    (void)state;
    const size_t size = (size_t)96 << 20;
    const int64_t slack = 16 << 20;
    const int64_t first = oc_memory_peak();
    if (first == 0) skip(); /* the system does not tell */
    assert_true(first > 100000);
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(memory, MAP_FAILED);
    oc_memory_peak_reset();
    const int64_t before = oc_memory_peak();
    for (size_t i = 0; i < size; i += 1024) memory[i] = 1;
    const int64_t taken = oc_memory_peak();
    assert_true(taken >= before);
    assert_true(taken >= (int64_t)size); /* all of it is resident now */
    assert_int_equal(munmap(memory, size), 0);
    assert_true(oc_memory_peak() >= taken - slack); /* it is the most there was, not what there is */
    oc_memory_peak_reset();
    const int64_t after = oc_memory_peak();
    print_message("%lld KiB, %lld before, %lld with it, %lld after\n", (long long)(first >> 10),
                  (long long)(before >> 10), (long long)(taken >> 10), (long long)(after >> 10));
    assert_true(after <= taken);
    if (after < taken) assert_true(after <= taken - (int64_t)size + slack); /* where the system lets it be begun anew */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_fill),
        cmocka_unit_test(test_page),
        cmocka_unit_test(test_order_few),
        cmocka_unit_test(test_order_families),
        cmocka_unit_test(test_order_linkage),
        cmocka_unit_test(test_order_many),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_steps_without_loss),
        cmocka_unit_test(test_steps_damaged),
        cmocka_unit_test(test_steps_of_whole_pages),
        cmocka_unit_test(test_best_row),
        cmocka_unit_test(test_lock_held),
        cmocka_unit_test(test_memory_peak),
    };
    return cmocka_run_group_tests(tests, create_folder, remove_folder);
}
