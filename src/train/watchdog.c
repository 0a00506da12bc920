/* The thread is never woken by a step, which would cost the step something: it looks every limits.seconds, and what it
 * tells of takes at least as long. It holds the lock while it tells, so that the step's end waits for that, and whoever
 * is told is never called by two threads at once. */
#define _POSIX_C_SOURCE 200809L
#include "train/watchdog.h"

#include <math.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"

#define STEPS_LEAST 5 /* for a median: of a run's first steps some are slow */
#define STEPS_MOST                                                                                                     \
    31 /* the last so many count, so that a machine which has become slower is told of a few times only */

struct oc_watchdog {
    oc_watchdog_limits limits;
    oc_watchdog_fn fn;
    void *user;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t ends;
    /* Under the lock: */
    bool quit, running, told;
    int64_t step;
    double began, median, limit; /* of the step that runs: seconds of the clock; seconds; after which it is told of */
    double taken[STEPS_MOST];    /* seconds of the last steps, as a ring */
    int64_t steps;               /* that have ended */
};

/* The median of what the last steps took; 0 where they are too few. */
static double median(const oc_watchdog *w) {
    double sorted[STEPS_MOST];
    const int count = w->steps < STEPS_MOST ? (int)w->steps : STEPS_MOST;
    if (count < STEPS_LEAST) return 0;
    for (int i = 0; i < count; i++) {
        int place = i;
        for (; place > 0 && sorted[place - 1] > w->taken[i]; place--) sorted[place] = sorted[place - 1];
        sorted[place] = w->taken[i];
    }
    return sorted[count / 2];
}

/* Under the lock. */
static void look(oc_watchdog *w, double now, bool running) {
    if (!w->running || w->told || now - w->began < w->limit) return;
    w->told = true;
    w->fn(w->user, w->step, now - w->began, w->median, running);
}

static void *watch(void *argument) {
    oc_watchdog *w = argument;
    pthread_mutex_lock(&w->lock);
    while (!w->quit) {
        const double until = oc_clock_seconds() + w->limits.seconds, whole = floor(until);
        const struct timespec time = {.tv_sec = (time_t)whole, .tv_nsec = (long)((until - whole) * 1e9)};
        pthread_cond_timedwait(&w->ends, &w->lock, &time);
        if (!w->quit) look(w, oc_clock_seconds(), true);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

oc_status oc_watchdog_create(oc_watchdog **out, const oc_watchdog_limits *limits, oc_watchdog_fn fn, void *user,
                             oc_error *err) {
    oc_watchdog *w = NULL;
    *out = NULL;
    const oc_status status = oc_alloc(&w, 1, sizeof *w, err);
    if (status != OC_OK) return status;
    w->limits = *limits;
    w->fn = fn;
    w->user = user;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC); /* that of oc_clock_seconds */
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->ends, &attributes);
    pthread_condattr_destroy(&attributes);
    w->started = pthread_create(&w->thread, NULL, watch, w) == 0;
    *out = w;
    return OC_OK;
}

void oc_watchdog_destroy(oc_watchdog **watchdog) {
    if (!watchdog || !*watchdog) return;
    oc_watchdog *w = *watchdog;
    pthread_mutex_lock(&w->lock);
    w->quit = true;
    pthread_cond_signal(&w->ends);
    pthread_mutex_unlock(&w->lock);
    if (w->started) pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->ends);
    pthread_mutex_destroy(&w->lock);
    oc_free(w);
    *watchdog = NULL;
}

void oc_watchdog_begin(oc_watchdog *watchdog, int64_t step) {
    oc_watchdog *w = watchdog;
    pthread_mutex_lock(&w->lock);
    w->running = true;
    w->told = false;
    w->step = step;
    w->median = median(w);
    w->limit = w->median > 0 ? fmax(w->limits.factor * w->median, w->limits.seconds) : w->limits.first;
    w->began = oc_clock_seconds();
    pthread_mutex_unlock(&w->lock);
}

void oc_watchdog_end(oc_watchdog *watchdog) {
    oc_watchdog *w = watchdog;
    pthread_mutex_lock(&w->lock);
    const double now = oc_clock_seconds();
    look(w, now, false);
    w->running = false;
    w->taken[w->steps++ % STEPS_MOST] = now - w->began;
    pthread_mutex_unlock(&w->lock);
}
