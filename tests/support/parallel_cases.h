/* The tests of the parallel-for, for the two executables that run them on its two backends. */
#ifndef OC_TESTS_SUPPORT_PARALLEL_CASES_H
#define OC_TESTS_SUPPORT_PARALLEL_CASES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/parallel.h"
#include "support/denormals.h"

#define ITEMS_MOST 1000
#define THREADS_MOST 9

typedef struct seen {
    int64_t count, grain;
    int threads;
    unsigned char times[ITEMS_MOST];
    int64_t range_end[ITEMS_MOST];      /* by its begin */
    int64_t worker_items[THREADS_MOST]; /* no two threads may share a worker number: not atomic on purpose */
    atomic_int wrong;
} seen;

static void see(void *user, int64_t begin, int64_t end, int worker) {
    seen *s = user;
    if (begin < 0 || end > s->count || begin >= end || worker < 0 || worker >= s->threads ||
        (end - begin < s->grain && end != s->count)) {
        atomic_fetch_add(&s->wrong, 1);
        return;
    }
    for (int64_t i = begin; i < end; i++) s->times[i]++;
    s->range_end[begin] = end;
    s->worker_items[worker] += end - begin;
}

static void test_covers_each_once(void **state) {
    (void)state;
    static const int64_t counts[] = {0, 1, 2, 3, 7, 8, 64, 100, 999, 1000}, grains[] = {1, 2, 3, 16, 500, 5000};
    static seen now, before;
    for (int threads = 0; threads <= THREADS_MOST; threads++) {
        oc_team *team = NULL; /* 0: no team */
        if (threads > 0) assert_int_equal(oc_team_create(&team, threads, NULL), OC_OK);
        int team_threads = threads > 0 ? threads : 1;
        assert_int_equal(oc_team_threads(team), team_threads);
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
            for (size_t g = 0; g < sizeof grains / sizeof *grains; g++) {
                for (int kind = 0; kind < 3; kind++) { /* static twice, then dynamic */
                    before = now;
                    memset(&now, 0, sizeof now);
                    now.count = counts[c];
                    now.grain = grains[g];
                    now.threads = team_threads;
                    if (kind < 2)
                        oc_parallel_for(team, counts[c], grains[g], see, &now);
                    else
                        oc_parallel_for_dynamic(team, counts[c], grains[g], see, &now);
                    assert_int_equal(now.wrong, 0);
                    int64_t items = 0;
                    for (int i = 0; i < team_threads; i++) items += now.worker_items[i];
                    assert_int_equal(items, counts[c]);
                    for (int64_t i = 0; i < ITEMS_MOST; i++) assert_int_equal(now.times[i], i < counts[c]);
                    /* the same arguments divide alike */
                    if (kind == 1) assert_memory_equal(now.range_end, before.range_end, sizeof now.range_end);
                    /* dynamic ranges are of the grain */
                    for (int64_t i = 0; kind == 2 && i < counts[c]; i += grains[g])
                        assert_int_equal(now.range_end[i], i + grains[g] < counts[c] ? i + grains[g] : counts[c]);
                }
            }
        }
        oc_team_destroy(&team);
        assert_null(team);
    }
}

static void add_squares(void *user, int64_t begin, int64_t end, int worker) {
    int64_t *sums = user;
    for (int64_t i = begin; i < end; i++) sums[worker] += i * i;
}

static void test_many_rounds(void **state) {
    (void)state;
    oc_team *team;
    assert_int_equal(oc_team_create(&team, 3, NULL), OC_OK);
    oc_team_enter(team);
    int64_t sums[3] = {0};
    for (int i = 0; i < 2000; i++) {
        oc_parallel_for(team, 10, 1, add_squares, sums);
        oc_parallel_for_dynamic(team, 10, 1, add_squares, sums);
    }
    assert_int_equal(sums[0] + sums[1] + sums[2], 285 * 4000);
    oc_team_destroy(&team);
    oc_team_destroy(&team);
    oc_team_destroy(NULL);
}

static void test_team_sizes(void **state) {
    (void)state;
    oc_team *team;
    oc_error err;
    assert_int_equal(oc_team_create(&team, -1, &err), OC_E_USAGE);
    assert_null(team);
    assert_int_equal(oc_team_create(&team, 1025, &err), OC_E_USAGE);
    assert_int_equal(oc_team_create(&team, 0, &err), OC_OK);
    assert_in_range(oc_team_threads(team), 1, 1024);
    oc_team_destroy(&team);
}

static void note_denormals(void *user, int64_t begin, int64_t end, int worker) {
    (void)worker;
    bool *kept = user;
    for (int64_t i = begin; i < end; i++) kept[i] = test_keeps_denormals();
}

static void test_tasks_flush_denormals(void **state) {
    (void)state;
    for (int threads = 0; threads <= 3; threads++) {
        bool kept[64];
        oc_team *team = NULL; /* 0: no team */
        if (threads > 0) assert_int_equal(oc_team_create(&team, threads, NULL), OC_OK);
        for (int round = 0; round < 20; round++) {
            memset(kept, TEST_FLUSHES, sizeof kept);
            if (round % 2)
                oc_parallel_for(team, 64, 1, note_denormals, kept);
            else
                oc_parallel_for_dynamic(team, 64, 1, note_denormals, kept);
            for (int i = 0; i < 64; i++) assert_int_equal(kept[i], !TEST_FLUSHES);
            assert_true(test_keeps_denormals());
        }
        oc_team_destroy(&team);
    }
}

static int run_parallel_cases(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_covers_each_once),
        cmocka_unit_test(test_many_rounds),
        cmocka_unit_test(test_team_sizes),
        cmocka_unit_test(test_tasks_flush_denormals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
