/* The watchdog of training steps. Steps are naps here; a step that hangs waits until it has been told of, so that
 * nothing depends on how quick the machine is. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "train/watchdog.h"

#define LONG 1000.0 /* seconds that no test takes */
#define PATIENCE 60.0

typedef struct told {
    atomic_int times; /* the rest is written before it grows */
    int64_t step;
    double seconds, median;
    bool running, elsewhere; /* called from another thread than `owner` */
    pthread_t owner;
} told;

static void on_slow(void *user, int64_t step, double seconds, double median, bool running) {
    told *t = user;
    t->step = step;
    t->seconds = seconds;
    t->median = median;
    t->running = running;
    t->elsewhere = !pthread_equal(pthread_self(), t->owner);
    atomic_fetch_add(&t->times, 1);
}

static void nap(double seconds) {
    nanosleep(&(struct timespec){.tv_sec = 0, .tv_nsec = (long)(seconds * 1e9)}, NULL);
}

static oc_watchdog *watchdog(told *t, oc_watchdog_limits limits) {
    oc_watchdog *w = NULL;
    *t = (told){.owner = pthread_self()};
    assert_int_equal(oc_watchdog_create(&w, &limits, on_slow, t, NULL), OC_OK);
    return w;
}

static void steps(oc_watchdog *w, int64_t first, int count, double seconds) {
    for (int i = 0; i < count; i++) {
        oc_watchdog_begin(w, first + i);
        nap(seconds);
        oc_watchdog_end(w);
    }
}

/* A step that does not go on before it has been told of once more, and then not at once. */
static void hang(oc_watchdog *w, const told *t, int64_t step) {
    const int before = t->times;
    const double until = oc_clock_seconds() + PATIENCE;
    oc_watchdog_begin(w, step);
    while (t->times == before && oc_clock_seconds() < until) nap(0.001);
    assert_int_equal(t->times, before + 1);
    nap(0.02);
    assert_int_equal(t->times, before + 1);
    oc_watchdog_end(w);
    assert_int_equal(t->times, before + 1);
    assert_true(t->running && t->elsewhere);
    assert_int_equal(t->step, step);
}

static void test_hang(void **state) {
    (void)state;
    told t;
    oc_watchdog *w = watchdog(&t, (oc_watchdog_limits){.factor = 3, .seconds = 0.002, .first = LONG});
    /* While there are fewer than five, also a slow one is not told of. */
    steps(w, 1, 4, 0.01);
    steps(w, 5, 1, 0.2);
    assert_int_equal(t.times, 0);
    hang(w, &t, 6);
    assert_true(t.median >= 0.01 && t.median < 0.2);
    assert_true(t.seconds >= 3 * t.median);
    /* Between steps nothing is. */
    nap(0.2);
    assert_int_equal(t.times, 1);
    /* And the next one again. */
    hang(w, &t, 7);
    oc_watchdog_destroy(&w);
    assert_null(w);
    oc_watchdog_destroy(&w);
}

/* While there is no median, seconds count. */
static void test_first_steps(void **state) {
    (void)state;
    told t;
    oc_watchdog *w = watchdog(&t, (oc_watchdog_limits){.factor = LONG, .seconds = 0.002, .first = 0.05});
    hang(w, &t, 1);
    assert_true(t.median == 0 && t.seconds >= 0.05);
    oc_watchdog_destroy(&w);
}

/* Nothing that takes less than the least is told of, whatever the median. */
static void test_least(void **state) {
    (void)state;
    told t;
    oc_watchdog *w = watchdog(&t, (oc_watchdog_limits){.factor = 1e-6, .seconds = LONG, .first = LONG});
    steps(w, 1, 10, 0.005);
    assert_int_equal(t.times, 0);
    oc_watchdog_destroy(&w);
}

/* What the thread did not come to see is told of at the step's end, from there. */
static void test_end(void **state) {
    (void)state;
    told t;
    oc_watchdog *w = watchdog(&t, (oc_watchdog_limits){.factor = 1, .seconds = LONG, .first = 0.02});
    steps(w, 1, 1, 0.001);
    assert_in_range(t.times, 0, 1); /* 1: a machine that was halted meanwhile */
    const int before = t.times;
    steps(w, 2, 1, 0.03);
    assert_int_equal(t.times, before + 1);
    assert_int_equal(t.step, 2);
    assert_true(!t.running && !t.elsewhere && t.seconds >= 0.03);
    oc_watchdog_destroy(&w);
}

/* The median is that of the last steps: slower ones become what is usual. */
static void test_window(void **state) {
    (void)state;
    told t;
    oc_watchdog *w = watchdog(&t, (oc_watchdog_limits){.factor = 3, .seconds = 0.001, .first = LONG});
    steps(w, 1, 40, 0.0005);
    hang(w, &t, 41);
    assert_true(t.median >= 0.0005);
    steps(w, 42, 40, 0.01);
    hang(w, &t, 82);
    assert_true(t.median >= 0.01);
    oc_watchdog_destroy(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hang), cmocka_unit_test(test_first_steps), cmocka_unit_test(test_least),
        cmocka_unit_test(test_end),  cmocka_unit_test(test_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
