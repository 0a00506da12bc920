/* ocelli ensemble */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "environment.h"
#include "ocelli/ensemble.h"
#include "ocelli/recipe.h"
#include "progress.h"

#define HOLDOUT "holdout"
#define WORDS_MOST 1024 /* the library says how many members there may be */

static const oc_flag flags[] = {
    OC_FLAG_DATA,
    {"--out", "RUN", "folder for the ensemble, its report and the members' scores"},
    {"--method", "stack|mean|weighted", "how they are joined; stack, a linear layer over all scores, unless given"},
    {"--fit-on", "train|holdout:F",
     "images of the fit: train, or holdout:F, the share that the members' own runs left out; train unless given"},
    {"--init", "random|mean", "stack: start random, or as the mean of the members; mean unless given"},
    {"--prune", "K", "keep the K members that are most useful together"},
    {"--epochs", "N", "stack: passes over the images; 20 unless given"},
    {"--seed", "N", "stack: governs order and random start; 0 unless given"},
    OC_FLAG_RECIPE,
    OC_FLAG_SET,
    OC_FLAG_PRECISION,
    OC_FLAG_JSON,
    OC_FLAG_THREADS,
    OC_FLAG_CACHE,
    OC_FLAG_SKIP_BAD,
    OC_FLAG_NO_REPORT,
    OC_FLAG_END,
};

/* "train", "holdout:F" (F: [0, 1)), whose share goes into the recipe, or whatever the library is to refuse. */
static oc_status read_fit_on(const oc_args *args, oc_ensemble_options *options, oc_recipe *recipe, oc_error *err) {
    const char *text = oc_args_text(args, "--fit-on"), *colon = text ? strchr(text, ':') : NULL;
    options->fit_on = text ? text : "train";
    if (!colon || (size_t)(colon - text) != strlen(HOLDOUT) || strncmp(text, HOLDOUT, strlen(HOLDOUT)) != 0)
        return OC_OK;
    char *end = NULL;
    errno = 0;
    const double share = strtod(colon + 1, &end);
    if (end == colon + 1 || *end != '\0' || errno != 0 || !(share > 0 && share < 1))
        return oc_cli_fail(err, OC_E_USAGE, "--fit-on", "\"%s\" is no share between 0 and 1", colon + 1);
    options->fit_on = HOLDOUT;
    return oc_recipe_set(recipe, "data.holdout", colon + 1, "--fit-on", err);
}

/* Refuses flags that the method has no use for; an unknown method is for the library to refuse. */
static oc_status check_flags(const oc_args *args, const char *method, oc_error *err) {
    static const char *const stack_only[] = {"--init", "--epochs", "--seed"};
    if (!method || (strcmp(method, "mean") != 0 && strcmp(method, "weighted") != 0)) return OC_OK;
    for (size_t i = 0; i < sizeof stack_only / sizeof stack_only[0]; i++)
        if (oc_args_has(args, stack_only[i]))
            return oc_cli_fail(err, OC_E_USAGE, stack_only[i], "is of --method stack; %s has no use for it", method);
    return OC_OK;
}

/* Refuses a file that is given twice, be it by two names. What cannot be looked at is for the library to refuse. */
static oc_status check_members(const oc_args *args, oc_error *err) {
    const char *const *member = oc_args_word(args);
    for (size_t i = 1; i < oc_args_words(args); i++)
        for (size_t j = 0; j < i; j++)
            if (oc_path_same(member[i], member[j]))
                return oc_cli_fail(err, OC_E_USAGE, member[i], "this member is given twice");
    return OC_OK;
}

static void print_correlation(const oc_ensemble_report *report) {
    const size_t count = oc_ensemble_report_count(report);
    char text[32];
    printf("\ncorrelation of errors\n  ");
    for (size_t b = 0; b + 1 < count; b++) printf(" %6zu", b + 1);
    printf("\n");
    for (size_t a = 1; a < count; a++) {
        printf("%2zu", a + 1);
        for (size_t b = 0; b < a; b++) {
            printf(" %6s", oc_real_text("%.2f", oc_ensemble_report_correlation(report, a, b), text));
        }
        printf("\n");
    }
}

static void print_table(const oc_ensemble_report *report, const oc_ensemble_options *options) {
    const size_t count = oc_ensemble_report_count(report);
    const bool weighted = options->method && strcmp(options->method, "weighted") == 0;
    int width = 5;
    for (size_t m = 0; m < count; m++) {
        const int length = (int)strlen(oc_ensemble_report_member(report, m).model);
        if (length > width) width = length;
    }
    printf("   %-*s  top-1   95 %% interval  loss     gain  %s  parameters    MACs (M)\n", width, "model",
           weighted ? " weight" : "");
    for (size_t m = 0; m < count; m++) {
        const oc_ensemble_member member = oc_ensemble_report_member(report, m);
        char gain[32], loss[32], weight[32] = "", seen[40] = "", parameters[32];
        if (member.seen > 0) snprintf(seen, sizeof seen, "  %" PRId64 " seen", member.seen);
        if (member.seen < 0) snprintf(seen, sizeof seen, "  perhaps seen");
        if (weighted) snprintf(weight, sizeof weight, "%8.4f", member.weight);
        printf("%2zu %-*s  %.4f  %.4f-%.4f  %-7s  %-7s%s  %11s  %10.1f  %s%s%s\n", m + 1, width, member.model,
               member.top1, member.top1_low, member.top1_high, oc_real_text("%.4f", member.loss, loss),
               member.kept ? oc_real_text("%+.4f", member.gain, gain) : "-", weight,
               oc_count_text(member.parameters, parameters), (double)member.macs / 1e6, member.path,
               member.kept ? "" : "  pruned", seen);
    }
    print_correlation(report);
}

static void print_whole(const oc_ensemble_report *report, const char *out) {
    size_t best = 0;
    double p = 0;
    const oc_evaluation e = oc_ensemble_report_whole(report, &best, &p);
    char loss[32], error[32];
    printf("\nensemble   %s/best.safetensors\nimages     %" PRId64 "\n", out, e.images);
    if (e.skipped > 0) printf("left out   %" PRId64 "\n", e.skipped);
    printf("top-1      %.4f (95 %% interval %.4f-%.4f)\ntop-5      %.4f\nloss       %s\ncalibration error %s\n", e.top1,
           e.top1_low, e.top1_high, e.top5, oc_real_text("%.4f", e.loss, loss),
           oc_real_text("%.4f", e.calibration_error, error));
    printf("against the best member, number %zu: %+.4f, McNemar's p %.2g\n", best + 1,
           e.top1 - oc_ensemble_report_member(report, best).top1, p);
}

static oc_status run(const oc_args *args, oc_error *err) {
    oc_dataset *dataset = NULL;
    oc_ensemble_report *report = NULL;
    const char *data = NULL;
    int64_t seed = 0;
    oc_recipe *recipe = NULL;
    oc_bar bar = oc_bar_make(oc_environment_stop_flag());
    oc_ensemble_options options = {.method = oc_args_text(args, "--method"),
                                   .init = oc_args_text(args, "--init"),
                                   .precision = oc_args_text(args, "--precision"),
                                   .cache = oc_args_text(args, "--cache"),
                                   .skip_bad = oc_args_has(args, "--skip-bad"),
                                   .command = oc_args_line(args),
                                   .progress = oc_bar_progress(&bar),
                                   .log = oc_bar_log(&bar)};
    oc_status status = oc_args_need(args, "--data", &data, err);
    if (status == OC_OK) status = oc_args_need(args, "--out", &options.out, err);
    if (status == OC_OK) status = oc_cli_recipe(&recipe, args, err);
    if (status == OC_OK) status = read_fit_on(args, &options, recipe, err);
    if (status == OC_OK) status = oc_args_int(args, "--prune", 2, 64, &options.prune, err);
    if (status == OC_OK) status = oc_args_int(args, "--epochs", 1, 1000000, &options.epochs, err);
    if (status == OC_OK) status = oc_args_int(args, "--seed", 0, INT64_MAX, &seed, err);
    if (status == OC_OK) status = oc_args_threads(args, &options.threads, err);
    if (status == OC_OK) status = check_flags(args, options.method, err);
    if (status == OC_OK) status = check_members(args, err);
    options.seed = (uint64_t)seed;
    if (status == OC_OK) status = oc_cli_dataset(&dataset, data, recipe, false, err);
    if (status == OC_OK)
        status = oc_ensemble_fit(&report, dataset, oc_args_word(args), oc_args_words(args), &options, err);
    oc_bar_clear(&bar);
    if (status == OC_OK && oc_args_has(args, "--json")) {
        puts(oc_ensemble_report_json(report));
    } else if (status == OC_OK) {
        print_table(report, &options);
        print_whole(report, options.out);
    }
    if (status == OC_OK) (void)oc_cli_report(args, options.out, false);
    oc_ensemble_report_destroy(&report);
    oc_dataset_destroy(&dataset);
    oc_recipe_destroy(&recipe);
    return status;
}

const oc_command oc_command_ensemble = {
    .name = "ensemble",
    .summary = "joins trained models into one that sees better than each",
    .description = "Joins several trained models into one that sees better than each. Its members may differ in "
                   "model, input size, normalisation and order of classes, which are matched by name; they are "
                   "frozen, and what is fitted is how their scores are weighed.\n\n"
                   "The result is one weights file, best.safetensors in the folder of --out, which `ocelli eval`, "
                   "`ocelli predict`, `ocelli serve` and `ocelli export` take like any other. The members' scores "
                   "are kept beside it, so that a second fit computes none. What each member contributes, and how "
                   "alike their errors are, is printed.",
    .usage = "--data PATH --out RUN [--method stack|mean|weighted] [--fit-on train|holdout:F] [--prune K] WEIGHTS...",
    .example = "ocelli ensemble --data tiny-imagenet-200.zip --out runs/all --fit-on holdout:0.1 "
               "members/*/best.safetensors",
    .docs = "docs/ensemble.md",
    .flags = flags,
    .computes = true,
    .most = WORDS_MOST,
    .words = "WEIGHTS",
    .run = run,
};
