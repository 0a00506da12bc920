/* ocelli study */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "environment.h"
#include "ocelli/study.h"
#include "progress.h"

#define NAME_COLUMN 64

static const oc_flag flags[] = {
    OC_FLAG_DATA,
    {"--out", "DIR", "folder of the runs and of the table, study.csv and study.json"},
    {"--dry-run", NULL, "only show the plan, with a time estimate measured on this machine"},
    OC_FLAG_JSON,
    OC_FLAG_THREADS,
    OC_FLAG_CACHE,
    OC_FLAG_SKIP_BAD,
    OC_FLAG_NO_REPORT,
    OC_FLAG_END,
};

static const char *const state_names[] = {"waiting", "running", "done", "failed"};

/* The widest of the first two columns. */
typedef struct widths {
    int name, model;
} widths;

static widths measure(const oc_study *study) {
    widths w = {4, 5};
    for (size_t i = 0; i < oc_study_count(study); i++) {
        const oc_study_row row = oc_study_row_at(study, i);
        if ((int)strlen(row.name) > w.name) w.name = (int)strlen(row.name);
        if ((int)strlen(row.model) > w.model) w.model = (int)strlen(row.model);
    }
    if (w.name > NAME_COLUMN) w.name = NAME_COLUMN;
    return w;
}

static const char *whole_text(int64_t value, char *text) {
    return value < 0 ? strcpy(text, "-") : oc_count_text(value, text);
}

/* Mean and range over the seeds of the run that row `first` is the first of. */
static void print_summary(const oc_study *study, size_t first) {
    const oc_study_row head = oc_study_row_at(study, first);
    double sum = 0, low = INFINITY, high = -INFINITY;
    int count = 0;
    if (head.seed < 0 || (first > 0 && strcmp(oc_study_row_at(study, first - 1).run, head.run) == 0)) return;
    for (size_t i = first; i < oc_study_count(study); i++) {
        const oc_study_row row = oc_study_row_at(study, i);
        if (strcmp(row.run, head.run) != 0 || !isfinite(row.top1)) continue;
        sum += row.top1;
        low = fmin(low, row.top1);
        high = fmax(high, row.top1);
        count++;
    }
    if (count > 1)
        printf("%s: top-1 %.4f on average of %d seeds, from %.4f to %.4f\n", head.run, sum / count, count, low, high);
}

static void print_table(const oc_study *study) {
    const widths w = measure(study);
    printf("%-*s  %-*s  %12s  %6s  %15s  %5s  %9s  %8s  %8s  %s\n", w.name, "run", w.model, "model", "parameters",
           "top-1", "95 % interval", "epoch", "roughness", "time", "images/s", "state");
    for (size_t i = 0; i < oc_study_count(study); i++) {
        const oc_study_row row = oc_study_row_at(study, i);
        char parameters[32], top1[32], low[32], high[32], interval[72] = "-", epoch[32], rough[32], span[32], speed[32];
        if (isfinite(row.top1_low))
            snprintf(interval, sizeof interval, "%s-%s", oc_real_text("%.4f", row.top1_low, low),
                     oc_real_text("%.4f", row.top1_high, high));
        printf("%-*s  %-*s  %12s  %6s  %15s  %5s  %9s  %8s  %8s  %s\n", w.name, row.name, w.model, row.model,
               whole_text(row.parameters, parameters), oc_real_text("%.4f", row.top1, top1), interval,
               whole_text(row.best_epoch, epoch), oc_real_text("%.4f", row.roughness, rough),
               isfinite(row.seconds) ? oc_span_text(row.seconds, span) : "-",
               oc_real_text("%.1f", row.images_per_second, speed), state_names[row.state]);
    }
    for (size_t i = 0; i < oc_study_count(study); i++) print_summary(study, i);
    for (size_t i = 0; i < oc_study_count(study); i++) {
        const oc_study_row row = oc_study_row_at(study, i);
        if (row.reason) printf("%s failed: %s\n", row.name, row.reason);
    }
}

static void print_plan(const oc_study *study) {
    const widths w = measure(study);
    double total = 0;
    char text[32];
    printf("%-*s  %-*s  %9s  %8s  %s\n", w.name, "run", w.model, "model", "steps", "estimate", "changes");
    for (size_t i = 0; i < oc_study_count(study); i++) {
        const oc_study_row row = oc_study_row_at(study, i);
        char steps[32];
        printf("%-*s  %-*s  %9s  %8s  %s%s%s%s\n", w.name, row.name, w.model, row.model, whole_text(row.steps, steps),
               oc_span_text(row.estimate, text), row.ensemble ? "joins " : "", row.changes[0] ? row.changes : "nothing",
               row.start ? ", starts from " : "", row.start ? row.start : "");
        total += row.estimate;
    }
    printf("in all about %s, besides saving; nothing has been trained\n", oc_span_text(total, text));
}

/* What the callbacks are given. */
typedef struct call {
    const oc_args *args;
    const char *out;
    oc_bar bar;
} call;

static void on_step(void *user, const oc_train_status *status) {
    call *c = user;
    oc_bar_step(&c->bar, status);
}

/* The page of one run, as ocelli train writes it. */
static void write_report(const call *c, const char *run) {
    char folder[4096];
    if ((size_t)snprintf(folder, sizeof folder, "%s/%s", c->out, run) < sizeof folder)
        (void)oc_cli_report(c->args, folder, false);
}

static void on_run(void *user, const oc_study *study, size_t index, bool finished) {
    call *c = user;
    const oc_study_row row = oc_study_row_at(study, index);
    oc_bar_clear(&c->bar);
    if (finished && row.state == OC_STUDY_DONE) write_report(c, row.name);
    if (!finished)
        fprintf(stderr, "-- %zu/%zu %s: %s\n", index + 1, oc_study_count(study), row.name, row.model);
    else if (row.state == OC_STUDY_DONE)
        fprintf(stderr, "-- %s: top-1 %.4f\n", row.name, row.top1);
}

static oc_status print_json(oc_study *study, oc_error *err) {
    const char *text = oc_study_json(study);
    if (!text) return oc_cli_fail(err, OC_E_MEMORY, NULL, "out of memory for JSON");
    puts(text);
    return OC_OK;
}

static oc_status run(const oc_args *args, oc_error *err) {
    oc_study *study = NULL;
    const char *data = NULL, *out = NULL;
    bool dry = oc_args_has(args, "--dry-run");
    call c = {.args = args, .bar = oc_bar_make(oc_environment_stop_flag())};
    oc_study_options options = {.cache = oc_args_text(args, "--cache"),
                                .skip_bad = oc_args_has(args, "--skip-bad"),
                                .command = oc_args_line(args),
                                .stop = c.bar.stop,
                                .progress = oc_bar_progress(&c.bar),
                                .log = oc_bar_log(&c.bar),
                                .on_run = on_run,
                                .on_step = on_step,
                                .user = &c};
    oc_status status = oc_args_need(args, "--data", &data, err);
    if (status == OC_OK) status = oc_args_need(args, "--out", &out, err);
    if (status == OC_OK) status = oc_args_threads(args, &options.threads, err);
    if (status == OC_OK) status = oc_study_open(&study, oc_args_word(args)[0], err);
    options.out = c.out = out;
    bool told = false;
    if (status == OC_OK) {
        status = dry ? oc_study_estimate(study, data, &options, err) : oc_study_run(study, data, &options, err);
        /* Also a study that failed or was stopped has a table, once it got as far as a first run. */
        for (size_t i = 0; i < oc_study_count(study); i++)
            told = told || oc_study_row_at(study, i).state != OC_STUDY_WAITING;
        told = told || status == OC_OK || (!dry && status == OC_E_STOPPED);
    }
    oc_bar_clear(&c.bar);
    const bool report = told && !dry && oc_cli_report(args, out, status != OC_OK);
    oc_error ignored;
    if (told && oc_args_has(args, "--json")) {
        oc_status printed = print_json(study, status == OC_OK ? err : &ignored);
        if (status == OC_OK) status = printed;
    } else if (told && dry) {
        print_plan(study);
    } else if (told) {
        print_table(study);
        printf("the table is in %s/study.csv and %s/study.json%s\n", out, out,
               report ? ", all charts in report.html" : "");
    }
    oc_study_destroy(&study);
    return status;
}

const oc_command oc_command_study = {
    .name = "study",
    .summary = "trains a list of runs, joins them into an ensemble, and compares them in one table",
    .description = "Trains the runs of a list one after the other, joins them into an ensemble where the file asks "
                   "for that, and compares them in one table, study.csv and study.json. Each run is an ordinary run "
                   "folder, as of `ocelli train`.\n\n"
                   "The same command again passes over what is finished and resumes what was begun. --dry-run tells "
                   "beforehand what would be done, and about how long it takes on this machine.",
    .usage = "FILE.yaml --data PATH --out DIR [--dry-run] [--json]",
    .example = "ocelli study recipes/studies/reference.yaml --data tiny-imagenet-200.zip --out study",
    .docs = "docs/study.md",
    .flags = flags,
    .computes = true,
    .least = 1,
    .most = 1,
    .words = "FILE.yaml",
    .run = run,
};
