/* ocelli train */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "commands.h"
#include "environment.h"
#include "ocelli/recipe.h"
#include "progress.h"

static const oc_flag flags[] = {
    OC_FLAG_DATA,
    OC_FLAG_RECIPE,
    OC_FLAG_SET,
    {"--out", "RUN", "the run folder; run-<model> unless given"},
    {"--resume", NULL, "go on with the run in the run folder"},
    {"--weights", "FILE.safetensors", "start from these weights instead of random ones"},
    {"--max-steps", "N", "stop after step N; the schedule's length stays epochs x steps an epoch"},
    {"--max-time", "SPAN", "stop after 2h30m, 10m or 90s"},
    {"--save-every", "N", "save the state every N steps, besides each epoch's end"},
    OC_FLAG_TUNE,
    {"--plan", "FILE", "take the algorithms from plan.txt of another run, which then computes the same bits"},
    OC_FLAG_THREADS,
    OC_FLAG_CACHE,
    OC_FLAG_SKIP_BAD,
    OC_FLAG_NO_REPORT,
    OC_FLAG_END,
};

/* The run's folder and file in it. */
static oc_status run_path(char *path, size_t size, const char *folder, const char *name, oc_error *err) {
    if ((size_t)snprintf(path, size, "%s/%s", folder, name) < size) return OC_OK;
    return oc_cli_fail(err, OC_E_USAGE, "--out", "the path is too long");
}

/* Which recipe a run has: of a run that is resumed the saved one is the start, so that only what changes must be said.
 */
static oc_status make_recipe(oc_recipe **out, const oc_args *args, const char *folder, oc_error *err) {
    oc_recipe *recipe = NULL;
    char saved[4096];
    struct stat info;
    const char *path = oc_args_text(args, "--recipe");
    oc_status status = oc_recipe_create(&recipe, err);
    if (status == OC_OK && folder && oc_args_has(args, "--resume")) {
        status = run_path(saved, sizeof saved, folder, "recipe.yaml", err);
        if (status == OC_OK && stat(saved, &info) == 0) status = oc_recipe_load(recipe, saved, err);
    }
    if (status == OC_OK && path) status = oc_recipe_load(recipe, path, err);
    if (status == OC_OK) status = oc_args_recipe(args, recipe, err);
    if (status != OC_OK) oc_recipe_destroy(&recipe);
    *out = recipe;
    return status;
}

static void print_end(const oc_train_status *s, const char *folder, bool report) {
    char spent[32];
    printf("step %lld of %lld after %s", (long long)s->step, (long long)s->steps, oc_span_text(s->seconds, spent));
    if (s->best_top1 >= 0) printf("; best top-1 on validation %.4f", s->best_top1);
    printf("\nresults in %s: metrics.csv, best.safetensors, last.safetensors%s\n", folder,
           report ? ", report.html" : "");
    if (s->step_in_epoch > 0 && s->step_in_epoch < s->steps_per_epoch)
        printf("stopped within an epoch: last.safetensors is of now, best.safetensors of the best validation before\n");
    if (s->step < s->steps) printf("go on with: --resume --out %s\n", folder);
}

static oc_status run(const oc_args *args, oc_error *err) {
    oc_recipe *recipe = NULL;
    oc_dataset *dataset = NULL;
    oc_trainer *trainer = NULL;
    const char *data = NULL, *folder = oc_args_text(args, "--out");
    char default_folder[256];
    oc_bar bar = oc_bar_make(oc_environment_stop_flag());
    oc_train_options options = {.resume = oc_args_has(args, "--resume"),
                                .weights = oc_args_text(args, "--weights"),
                                .cache = oc_args_text(args, "--cache"),
                                .skip_bad = oc_args_has(args, "--skip-bad"),
                                .tune = oc_args_text(args, "--tune"),
                                .plan = oc_args_text(args, "--plan"),
                                .command = oc_args_line(args),
                                .stop = bar.stop,
                                .on_step = oc_bar_step,
                                .user = &bar,
                                .progress = oc_bar_progress(&bar),
                                .log = oc_bar_log(&bar)};
    oc_status status = oc_args_need(args, "--data", &data, err);
    if (status == OC_OK) status = oc_args_int(args, "--max-steps", 1, INT64_MAX, &options.max_steps, err);
    if (status == OC_OK) status = oc_args_seconds(args, "--max-time", &options.max_seconds, err);
    if (status == OC_OK) status = oc_args_int(args, "--save-every", 1, INT64_MAX, &options.save_every, err);
    if (status == OC_OK) status = oc_args_threads(args, &options.threads, err);
    if (status == OC_OK) oc_warn_of_load(options.threads);
    if (status == OC_OK && options.resume && options.weights)
        status = oc_cli_fail(err, OC_E_USAGE, "--weights", "a run that is resumed has its weights already");
    if (status == OC_OK && options.resume && options.plan)
        status = oc_cli_fail(err, OC_E_USAGE, "--plan", "a run that is resumed has its plan already");
    if (status == OC_OK) status = make_recipe(&recipe, args, folder, err);
    if (status == OC_OK && !folder) {
        snprintf(default_folder, sizeof default_folder, "run-%s", oc_recipe_get(recipe, "model.name"));
        folder = default_folder;
        if (options.resume) {
            oc_recipe_destroy(&recipe);
            status = make_recipe(&recipe, args, folder, err);
        }
    }
    options.out = folder;
    if (status == OC_OK) status = oc_cli_dataset(&dataset, data, recipe, false, err);
    if (status == OC_OK) status = oc_trainer_create(&trainer, dataset, recipe, &options, err);
    if (status == OC_OK) {
        status = oc_trainer_run(trainer, err);
        oc_bar_clear(&bar);
        const oc_train_status end = oc_trainer_status(trainer);
        /* Its memory and its lock on the folder are not needed any more; a run that failed has a page as well. */
        oc_trainer_destroy(&trainer);
        const bool report = oc_cli_report(args, folder, status != OC_OK);
        if (status == OC_OK || status == OC_E_STOPPED) print_end(&end, folder, report);
    }
    oc_bar_clear(&bar);
    oc_trainer_destroy(&trainer);
    oc_dataset_destroy(&dataset);
    oc_recipe_destroy(&recipe);
    return status;
}

const oc_command oc_command_train = {
    .name = "train",
    .summary = "trains a model on a data set, with validation, records and checkpoints",
    .description = "Trains a model on the training images of a data set and validates it before the first step, "
                   "after every epoch and at the end. Everything is recorded in the run folder: the weights that did "
                   "best on validation (best.safetensors) and the last ones, loss and accuracy of each epoch "
                   "(metrics.csv), TensorBoard's events, the resolved recipe, which alone repeats the run, and a "
                   "page that shows it all (report.html). `ocelli eval`, `ocelli predict`, `ocelli ensemble` and "
                   "`ocelli export` take the weights.\n\n"
                   "What decides what a run computes is its recipe. Each of its settings has a default; a file given "
                   "by --recipe states others, and flags and --set win over that.\n\n"
                   "Ctrl-C finishes the step, saves and exits; --resume goes on from there, to the same bits as if "
                   "the run had never stopped. The first start decodes every image once into a cache, as `ocelli "
                   "data pack` does.",
    .usage = "--data PATH [--model MODEL] [--recipe FILE] [--out RUN] [--resume] ...",
    .example = "ocelli train --data tiny-imagenet-200.zip --model myresnet-small --epochs 40 --out run",
    .docs = "docs/run-folder.md",
    .flags = flags,
    .recipe = true,
    .computes = true,
    .run = run,
};
