/* The progress line. Nothing but its bar ever writes a control code, and that only to a terminal. */
#define _GNU_SOURCE 1
#include "progress.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define BAR_SECONDS 0.1   /* between two drawings of a bar */
#define LINE_SECONDS 15.0 /* between two plain lines */
#define RATE_SECONDS 1.0  /* over which a rate is taken */
#define BAR_CELLS 20
#define LINE_SIZE 512

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

oc_bar oc_bar_make(const volatile int *stop) {
    const char *term = getenv("TERM");
    bool terminal = isatty(STDERR_FILENO) && !(term && strcmp(term, "dumb") == 0);
    double start = now();
    return (oc_bar){.terminal = terminal, .began = start, .last = terminal ? 0 : start, .stop = stop};
}

const char *oc_span_text(double seconds, char *text) {
    long long s = seconds > 0 && seconds < 1e12 ? (long long)(seconds + 0.5) : 0;
    if (!isfinite(seconds))
        snprintf(text, 32, "?");
    else if (s >= 86400)
        snprintf(text, 32, "%lldd%02lldh", s / 86400, s / 3600 % 24);
    else if (s >= 3600)
        snprintf(text, 32, "%lldh%02lldm", s / 3600, s / 60 % 60);
    else if (s >= 60)
        snprintf(text, 32, "%lldm%02llds", s / 60, s % 60);
    else
        snprintf(text, 32, "%llds", s);
    return text;
}

void oc_bar_clear(oc_bar *bar) {
    if (bar->shown) fputs("\r\033[K", stderr);
    bar->shown = false;
}

/* "[=====     ]" for a share in [0, 1]. */
static void draw_cells(double share, char cells[BAR_CELLS + 3]) {
    int full = (int)(share * BAR_CELLS);
    full = full < 0 ? 0 : full > BAR_CELLS ? BAR_CELLS : full;
    cells[0] = '[';
    memset(cells + 1, ' ', BAR_CELLS);
    memset(cells + 1, '=', (size_t)full);
    cells[BAR_CELLS + 1] = ']';
    cells[BAR_CELLS + 2] = '\0';
}

/* Shows a line of ASCII: in place on a terminal, cut to its width, else as a line of its own. */
static void show(oc_bar *bar, const char *line) {
    if (bar->terminal) {
        struct winsize window = {0};
        int width = ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 1 ? window.ws_col - 1 : 79;
        fprintf(stderr, "\r\033[K%.*s", width, line);
        bar->shown = true;
    } else {
        fprintf(stderr, "%s\n", line);
    }
    fflush(stderr);
}

/* True when it is time for the next line. */
static bool due(oc_bar *bar, bool last) {
    double time = now();
    if (bar->terminal ? !last && time - bar->last < BAR_SECONDS : time - bar->last < LINE_SECONDS) return false;
    bar->last = time;
    return true;
}

/* True: the task is another one than before. */
static bool begin_task(oc_bar *bar, const char *what) {
    if (strncmp(bar->what, what, sizeof bar->what - 1) == 0) return false;
    snprintf(bar->what, sizeof bar->what, "%s", what);
    bar->began = now();
    return true;
}

static bool on_progress(void *user, const char *what, int64_t done, int64_t total) {
    oc_bar *bar = user;
    begin_task(bar, what);
    if (due(bar, done == total)) {
        char line[LINE_SIZE], cells[BAR_CELLS + 3], eta[32];
        double share = total > 0 ? (double)done / (double)total : 1, spent = now() - bar->began;
        draw_cells(share, cells);
        oc_span_text(done > 0 ? spent * (1 - share) / share : NAN, eta);
        snprintf(line, sizeof line, "%s %s%s%lld/%lld  ETA %s", what, bar->terminal ? cells : "",
                 bar->terminal ? " " : "", (long long)done, (long long)total, eta);
        show(bar, line);
    }
    /* The next task's output begins on a line of its own. */
    if (done == total) oc_bar_clear(bar);
    return !(bar->stop && *bar->stop);
}

/* The rate of late, looked at once a second: one that changes is followed within some seconds. */
static double follow_rate(oc_bar *bar, int64_t done) {
    const double time = now(), spent = time - bar->rated;
    if (done < bar->rated_done) bar->rated_done = done;
    const double rate = spent > 0 ? (double)(done - bar->rated_done) / spent : 0;
    if (spent < RATE_SECONDS) return bar->rate > 0 ? bar->rate : rate;
    bar->rate = bar->rate > 0 ? 0.7 * bar->rate + 0.3 * rate : rate;
    bar->rated = time;
    bar->rated_done = done;
    return bar->rate;
}

static bool on_bytes(void *user, const char *what, int64_t done, int64_t total) {
    oc_bar *bar = user;
    if (begin_task(bar, what)) {
        bar->rated = bar->began;
        bar->rated_done = done;
        bar->rate = 0;
    }
    const double rate = follow_rate(bar, done);
    if (due(bar, done == total)) {
        char line[LINE_SIZE], cells[BAR_CELLS + 3], eta[32];
        draw_cells(total > 0 ? (double)done / (double)total : 1, cells);
        oc_span_text(rate > 0 ? (double)(total - done) / rate : NAN, eta);
        snprintf(line, sizeof line, "%s %s%s%.1f/%.1f MB  %.1f MB/s  ETA %s", what, bar->terminal ? cells : "",
                 bar->terminal ? " " : "", (double)done * 1e-6, (double)total * 1e-6, rate * 1e-6, eta);
        show(bar, line);
    }
    if (done == total) oc_bar_clear(bar);
    return !(bar->stop && *bar->stop);
}

static void on_log(void *user, oc_log_level level, const char *line) {
    oc_bar *bar = user;
    oc_bar_clear(bar);
    fprintf(stderr, "%s%s\n", level == OC_LOG_WARN ? "ocelli: warning: " : "", line);
}

oc_progress oc_bar_progress(oc_bar *bar) {
    return (oc_progress){.fn = on_progress, .user = bar};
}

oc_progress oc_bar_bytes(oc_bar *bar) {
    return (oc_progress){.fn = on_bytes, .user = bar};
}

oc_log oc_bar_log(oc_bar *bar) {
    return (oc_log){.fn = on_log, .user = bar};
}

void oc_bar_step(void *user, const oc_train_status *s) {
    oc_bar *bar = user;
    if (!due(bar, false)) return;
    char line[LINE_SIZE], cells[BAR_CELLS + 3], eta[32], epoch[64];
    double share = s->steps_per_epoch > 0 ? (double)s->step_in_epoch / (double)s->steps_per_epoch : 0;
    draw_cells(share, cells);
    long long at = s->epoch < s->epochs ? s->epoch + 1 : s->epochs;
    snprintf(epoch, sizeof epoch, "epoch %lld/%lld", at, (long long)s->epochs);
    oc_span_text(s->eta_seconds, eta);
    if (s->validating)
        snprintf(line, sizeof line, "%s  validating  ETA %s", epoch, eta);
    else
        snprintf(line, sizeof line,
                 "%s %s%sstep %lld/%lld  loss %.4f  top-1 %.3f  lr %.2e  %.1f images/s  data %.1f%%  ETA %s", epoch,
                 bar->terminal ? cells : "", bar->terminal ? " " : "", (long long)s->step_in_epoch,
                 (long long)s->steps_per_epoch, s->train_loss, s->train_top1, s->lr, s->images_per_second,
                 100 * s->data_share, eta);
    show(bar, line);
}
