/* Setting up a run: every check first, then the run folder. The steps themselves are in trainer_run.c. */
#define _GNU_SOURCE 1
#include "train/trainer.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/number.h"
#include "compute/engine.h"
#include "data/left_out.h"
#include "train/auto_precision.h"
#include "train/normalisation.h"

static const char *const about_keys[OC_TRAINER_ABOUT] = {"recipe", "threads", "data", "start", "images"};

/* Under a second nobody waits; ten minutes are a hang also for the first steps. */
static const oc_watchdog_limits usual_limits = {.factor = 100, .seconds = 1, .first = 600};

oc_status oc_trainer_note(oc_trainer *trainer, int which, oc_error *err, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    oc_free(trainer->about[which]);
    trainer->about[which] = NULL;
    return oc_strdup(&trainer->about[which], text, err);
}

/* ---- Checks on the run folder and the recipe --------------------------------------------------------------------- */

/* Whether the recipe is the saved one's, "auto" standing for what the run made of it. */
static oc_status agree(oc_trainer *trainer, oc_recipe *saved, oc_error *err) {
    oc_status status = OC_OK;
    OC_TRY(oc_precision_of_run(saved, err));
    OC_TRY(oc_precision_take_over(trainer->recipe, saved, err));
    trainer->values = oc_recipe_resolve(trainer->recipe);
    OC_TRY(oc_recipe_compare(saved, trainer->recipe, trainer->folder.path, err));
cleanup:
    return status;
}

/* Opens the state to resume from, NULL for a run that starts at step 0, and compares its recipe with the given one. */
static oc_status open_state(oc_trainer *trainer, oc_checkpoint **state, oc_error *err) {
    oc_status status = OC_OK;
    oc_run_folder *folder = &trainer->folder;
    oc_recipe *saved = NULL;
    if (oc_path_exists(folder->path) && !oc_path_is_folder(folder->path))
        return oc_fail(err, OC_E_EXISTS, folder->path, "this is a file: a run needs a folder of its own");
    const char *sign = oc_run_folder_used(folder);
    folder->fresh = !sign;
    if (folder->fresh) goto cleanup;
    if (!trainer->options.resume) {
        status = oc_fail(err, OC_E_EXISTS, folder->path,
                         "this folder holds a run (%s): continue it with --resume, or choose another --out",
                         strrchr(sign, '/') + 1);
        goto cleanup;
    }

    OC_TRY(oc_run_folder_lock(folder, err));
    OC_TRY(oc_recipe_create(&saved, err));
    if (oc_path_exists(folder->state)) {
        OC_TRY(oc_checkpoint_open(state, folder->state, err));
        const char *text = oc_trainer_note_of(*state, OC_ABOUT_RECIPE);
        if (!text) {
            status = oc_fail(err, OC_E_FORMAT, folder->state, "not a run's state: it lacks its recipe");
            goto cleanup;
        }
        OC_TRY(oc_recipe_load_memory(saved, text, strlen(text), folder->state, err));
        OC_TRY(agree(trainer, saved, err));
    } else if (oc_path_exists(folder->recipe)) {
        /* Killed before its first save: the recipe is there already. */
        OC_TRY(oc_recipe_load(saved, folder->recipe, err));
        OC_TRY(agree(trainer, saved, err));
    }
cleanup:
    oc_recipe_destroy(&saved);
    return status;
}

/* The team: as many threads as asked for, or as the run had, whose bits depend on their number. */
static oc_status open_team(oc_trainer *trainer, const oc_checkpoint *state, oc_error *err) {
    int threads = trainer->options.threads;
    const char *saved = oc_trainer_note_of(state, OC_ABOUT_THREADS);
    if (saved) {
        int before = (int)strtol(saved, NULL, 10);
        if (threads != 0 && threads != before)
            return oc_fail(err, OC_E_MISMATCH, "--threads",
                           "the run had %d threads, now %d, which would change its bits: resume with --threads %d",
                           before, threads, before);
        threads = before;
    }
    oc_status status = oc_team_create(&trainer->team, threads, err);
    if (status != OC_OK) return status;
    if (saved && oc_team_threads(trainer->team) != threads)
        return oc_fail(err, OC_E_MISMATCH, trainer->folder.path,
                       "the run had %d threads, and fewer would change its bits: %s", threads,
                       oc_team_note(trainer->team));
    oc_team_enter(trainer->team);
    return oc_trainer_note(trainer, OC_ABOUT_THREADS, err, "%d", oc_team_threads(trainer->team));
}

const char *oc_trainer_note_of(const oc_checkpoint *state, int which) {
    return state ? oc_checkpoint_about(state, about_keys[which]) : NULL;
}

oc_status oc_trainer_note_check(const oc_trainer *trainer, const oc_checkpoint *state, int which, const char *what,
                                oc_error *err) {
    const char *saved = oc_trainer_note_of(state, which);
    if (!state || (saved && strcmp(saved, trainer->about[which]) == 0)) return OC_OK;
    if (!saved && which == OC_ABOUT_IMAGES) return OC_OK; /* states from before this note */
    return oc_fail(err, OC_E_MISMATCH, trainer->folder.path,
                   "%s of the run: %s; now: %s: a run resumes only with what it began with", what,
                   saved ? saved : "unknown", trainer->about[which]);
}

/* ---- Model and state -------------------------------------------------------------------------------------------- */

static oc_status open_model(oc_trainer *trainer, const oc_checkpoint *state, oc_error *err) {
    oc_status status = OC_OK;
    const oc_recipe_values *values = &trainer->values;
    const oc_names *classes = oc_dataset_classes(trainer->dataset);
    const oc_model_options options = oc_recipe_model_options(values);
    OC_TRY(oc_model_create(&trainer->model, values->model_name, (const char *const *)classes->item, classes->count,
                           values->size, &options, err));
    oc_model *model = trainer->model;
    model->holdout = values->holdout;
    model->image = oc_recipe_values_image(values);
    oc_model_init(model, values->seed);
    size_t count = oc_table_arena_size(oc_graph_table(model->graph));
    OC_TRY(oc_trainer_note(trainer, OC_ABOUT_START, err, "random weights"));
    const char *weights = trainer->options.weights;
    if (!weights && !state && oc_path_exists(trainer->folder.start)) weights = trainer->folder.start;
    trainer->given_start = weights && !state;
    if (!weights && oc_path_exists(trainer->folder.start))
        OC_TRY(oc_model_read_trained(model, trainer->folder.start, err));
    if (weights) {
        OC_TRY(oc_model_read(model, weights, &trainer->options.log, err));
        OC_TRY(oc_trainer_note(trainer, OC_ABOUT_START, err, "weights %016" PRIx64,
                               XXH3_64bits(model->weights.arena, count * sizeof(float))));
        OC_TRY(oc_trainer_note_check(trainer, state, OC_ABOUT_START, "the first weights", err));
    } else if (state) {
        const char *start = oc_trainer_note_of(state, OC_ABOUT_START);
        if (start) OC_TRY(oc_trainer_note(trainer, OC_ABOUT_START, err, "%s", start));
    }

cleanup:
    return status;
}

/* Puts the run where the state says it was. */
static oc_status restore(oc_trainer *trainer, const oc_checkpoint *state, oc_error *err) {
    trainer->position = oc_position_start();
    trainer->unsaved = true;
    if (!state) return OC_OK;
    oc_position position = oc_checkpoint_position(state);
    if (position.step > trainer->total_steps)
        return oc_fail(err, OC_E_FORMAT, trainer->folder.state, "the state is at step %" PRId64 " of a run of %" PRId64,
                       position.step, trainer->total_steps);
    oc_status status = oc_checkpoint_load(state, trainer->arenas, trainer->arena_count, err);
    if (status != OC_OK) return status;
    trainer->position = position;
    trainer->model->weights.version++;
    trainer->step.average.version++;
    oc_optimizer_set_steps(trainer->step.optimizer, position.step);
    trainer->unsaved = false;
    return OC_OK;
}

/* ---- The run folder ---------------------------------------------------------------------------------------------- */

/* Writes run.json. */
static oc_status open_about(oc_trainer *trainer, oc_error *err) {
    oc_system system = {0};
    oc_engine_machine(&system);
    oc_about_start start = {.command = trainer->options.command,
                            .system = &system,
                            .threads = oc_team_threads(trainer->team),
                            .step = trainer->position.step,
                            .epochs = trainer->values.epochs,
                            .steps = trainer->total_steps,
                            .model = trainer->values.model_name,
                            .size = trainer->model->size,
                            .data_path = oc_dataset_path(trainer->dataset),
                            .data_fingerprint = trainer->fingerprint,
                            .holdout = oc_dataset_holdout(trainer->dataset),
                            .validates_on = oc_dataset_validates_on(trainer->dataset),
                            .classes = (int64_t)oc_dataset_classes(trainer->dataset)->count,
                            .train = oc_pack_count(trainer->train_pack),
                            .val = oc_pack_count(trainer->val_pack),
                            .left_out = oc_dataset_left_out(trainer->dataset)};
    oc_model_totals(trainer->model, &start.parameters, &start.macs);
    return oc_about_create(&trainer->about_run, trainer->folder.path, &start, err);
}

/* Has the records say what the recipe is: its values in their own types, what is no single number as text. */
static oc_status record_recipe(oc_trainer *trainer, oc_error *err) {
    oc_status status = OC_OK;
    oc_hparam *hparams = NULL;
    const size_t count = oc_recipe_key_count();
    OC_TRY(oc_alloc(&hparams, count, sizeof *hparams, err));
    for (size_t i = 0; i < count; i++) {
        const oc_recipe_key *key = oc_recipe_key_at(i);
        oc_hparam *h = &hparams[i];
        char *end;
        *h = (oc_hparam){.name = key->key,
                         .description = key->help,
                         .text = oc_recipe_get(trainer->recipe, key->key),
                         .given = oc_recipe_states(trainer->recipe, key->key)};
        if (key->type == OC_KEY_BOOL) {
            h->type = OC_HPARAM_BOOL;
            h->number = strcmp(h->text, "true") == 0;
        } else if (key->type == OC_KEY_INT || key->type == OC_KEY_REAL) {
            h->type = OC_HPARAM_NUMBER;
            h->number = oc_number_read(h->text, &end);
        }
    }
    OC_TRY(oc_record_begin(trainer->record, hparams, count, err));
cleanup:
    oc_free(hparams);
    return status;
}

/* The first touch of the folder. A new run saves its state at step 0 at once, so that from here on a resume knows what
 * the run began with. */
static oc_status open_folder(oc_trainer *trainer, bool resumed, oc_error *err) {
    oc_status status = OC_OK;
    char *plan = NULL, *text = NULL;
    json_t *account = NULL;
    bool plan_changed = false;
    const oc_position *position = &trainer->position;
    OC_TRY(oc_plan_describe(trainer->step.plan, &plan, err));
    const oc_model *start = trainer->given_start ? trainer->model : NULL;
    OC_TRY(oc_run_folder_prepare(&trainer->folder, trainer->recipe, start, plan, &plan_changed, err));
    OC_TRY(oc_dataset_account(&account, trainer->dataset, err));
    OC_TRY(oc_json_text(&text, account, err));
    OC_TRY(oc_file_write_atomic(trainer->folder.data, text, strlen(text), err));
    OC_TRY(open_about(trainer, err));
    OC_TRY(oc_record_create(&trainer->record, trainer->folder.path, position->step, position->metrics_rows, err));
    OC_TRY(record_recipe(trainer, err));
    oc_trainer_log(trainer, OC_LOG_INFO, "ocelli %s: %s, %zu parameters, %s, %s threads", oc_version(),
                   trainer->values.model_name, oc_table_parameters(oc_graph_table(trainer->model->graph)),
                   trainer->about[OC_ABOUT_DATA], trainer->about[OC_ABOUT_THREADS]);
    for (char *line, *rest = trainer->early.data; (line = strsep(&rest, "\n"));)
        (void)oc_record_log(trainer->record, line, NULL);
    if (oc_team_note(trainer->team)[0])
        oc_trainer_log(trainer, oc_team_note_level(trainer->team), "threads: %s", oc_team_note(trainer->team));
    const int slow = oc_plan_slow_steps(trainer->step.plan);
    if (slow > 0)
        oc_trainer_log(trainer, OC_LOG_WARN,
                       "%d operations of a step run slowly: there is no quick way to compute them here (\"slow\" in "
                       "plan.txt)",
                       slow);
    int64_t skipped = oc_pack_skipped(trainer->train_pack) + oc_pack_skipped(trainer->val_pack);
    if (skipped > 0)
        oc_trainer_log(trainer, OC_LOG_WARN, "%" PRId64 " images are left out because they cannot be decoded", skipped);
    if (resumed) {
        oc_trainer_log(trainer, OC_LOG_INFO, "resumed at step %" PRId64 " of %" PRId64, position->step,
                       trainer->total_steps);
        if (plan_changed)
            oc_trainer_log(trainer, OC_LOG_WARN,
                           "this machine, or this version, computes the model otherwise than the run did before "
                           "(plan.txt): the weights "
                           "will not be bit by bit those of a run that never stopped");
    } else {
        OC_TRY(oc_trainer_save(trainer, err));
    }
cleanup:
    oc_free(plan);
    oc_free(text);
    json_decref(account);
    return status;
}

oc_status oc_trainer_create(oc_trainer **out, const oc_dataset *dataset, const oc_recipe *recipe,
                            const oc_train_options *options, oc_error *err) {
    oc_status status = OC_OK;
    oc_trainer *trainer = NULL;
    oc_checkpoint *state = NULL;
    const oc_model_entry *entry = NULL;
    if (!options || !options->out || options->out[0] == '\0')
        return oc_fail(err, OC_E_USAGE, "--out", "a run needs a folder to write to");
    if (options->max_steps < 0 || options->save_every < 0 || !(options->max_seconds >= 0))
        return oc_fail(err, OC_E_USAGE, NULL, "max_steps, max_seconds and save_every may not be negative");

    oc_memory_peak_reset();
    OC_TRY(oc_alloc(&trainer, 1, sizeof *trainer, err));
    trainer->options = *options;
    trainer->dataset = dataset;
    OC_TRY(oc_recipe_copy(&trainer->recipe, recipe, err));
    OC_TRY(oc_normalisation_settle(trainer->recipe, oc_dataset_classes(dataset), err));
    trainer->values = oc_recipe_resolve(trainer->recipe);
    OC_TRY(oc_model_entry_find(&entry, trainer->values.model_name, err));
    OC_TRY(oc_run_folder_name(&trainer->folder, options->out, err));
    OC_TRY(oc_tune_find(&trainer->tune, options->tune, "--tune", err));
    if (options->plan) OC_TRY(oc_plan_text_read(&trainer->choices, options->plan, err));
    OC_TRY(open_state(trainer, &state, err));
    OC_TRY(open_team(trainer, state, err));
    OC_TRY(open_model(trainer, state, err));
    OC_TRY(oc_trainer_check_splits(trainer, err));
    OC_TRY(
        oc_trainer_open_data(trainer, state, err)); /* may decode every image: after all that can be refused without */
    OC_TRY(oc_trainer_open_plans(trainer, state, err));

    trainer->epoch_steps = oc_batcher_count(trainer->batcher);
    trainer->total_steps = trainer->epoch_steps * trainer->values.epochs;
    trainer->limit = trainer->total_steps;
    if (options->max_steps > 0 && options->max_steps < trainer->limit) trainer->limit = options->max_steps;
    OC_TRY(restore(trainer, state, err));

    /* A finished run is left as it is. */
    bool nothing_to_do = state && trainer->position.step >= trainer->limit && !oc_trainer_validation_due(trainer);
    trainer->mark = oc_clock_seconds();
    if (!nothing_to_do) {
        OC_TRY(open_folder(trainer, state != NULL, err));
        OC_TRY(oc_trainer_watch(trainer, &usual_limits, err));
    }
    trainer->options.out = trainer->options.weights = trainer->options.cache = trainer->options.command = NULL;
    trainer->options.tune = trainer->options.plan = NULL;
    *out = trainer;
    trainer = NULL;
cleanup:
    if (status != OC_OK && trainer && trainer->recipe) oc_recipe_locate(trainer->recipe, err);
    oc_checkpoint_destroy(&state);
    oc_trainer_destroy(&trainer);
    return status;
}

void oc_trainer_destroy(oc_trainer **trainer) {
    if (!trainer || !*trainer) return;
    oc_trainer *t = *trainer;
    oc_watchdog_destroy(&t->watchdog);
    oc_record_destroy(&t->record);
    oc_about_destroy(&t->about_run);
    oc_evaluator_destroy(&t->evaluator);
    oc_confusion_free(&t->confusion);
    oc_train_step_close(&t->step);
    oc_slab_destroy(&t->slab);
    oc_batcher_destroy(&t->batcher);
    oc_model_destroy(&t->model);
    oc_pack_destroy(&t->val_pack);
    oc_pack_destroy(&t->train_pack);
    oc_team_destroy(&t->team);
    oc_run_folder_free(&t->folder);
    oc_recipe_destroy(&t->recipe);
    for (int i = 0; i < OC_TRAINER_ABOUT; i++) oc_free(t->about[i]);
    oc_text_free(&t->early);
    oc_free(t->choices);
    oc_free(t);
    *trainer = NULL;
}

oc_status oc_trainer_check_finite(const oc_trainer *trainer, oc_error *err) {
    const oc_table *table = oc_graph_table(trainer->model->graph);
    for (size_t a = 0; a < trainer->arena_count; a++) {
        for (size_t t = 0; t < oc_table_count(table); t++) {
            const oc_tensor *tensor = oc_table_at(table, t);
            const float *x = trainer->arenas[a].data + tensor->offset;
            /* x − x is 0 for a finite x and NaN for any other. */
            float sum = 0;
            for (size_t i = 0; i < tensor->count; i++) sum += x[i] - x[i];
            if (sum == 0) continue;
            return oc_fail(err, OC_E_NON_FINITE, trainer->folder.path,
                           "\"%s\" (%s) is not finite after step %" PRId64 ": the last save before it is kept; start "
                           "another run with a lower optimizer.lr or with clip.norm",
                           tensor->name, trainer->arenas[a].name, trainer->position.step);
        }
    }
    return OC_OK;
}

oc_status oc_trainer_save(oc_trainer *trainer, oc_error *err) {
    oc_status status = OC_OK;
    oc_metadata about[OC_TRAINER_ABOUT];
    for (int i = 0; i < OC_TRAINER_ABOUT; i++) about[i] = (oc_metadata){about_keys[i], trainer->about[i]};
    OC_TRY(oc_trainer_check_finite(trainer, err));
    oc_trainer_account(trainer);
    OC_TRY(oc_record_sync(trainer->record, err));
    trainer->model->steps = trainer->position.step;
    OC_TRY(oc_model_write(trainer->model, trainer->step.average.arena, trainer->folder.last, err));
    OC_TRY(oc_checkpoint_write(trainer->folder.state, &trainer->position, trainer->arenas, trainer->arena_count, about,
                               OC_TRAINER_ABOUT, err));
    trainer->unsaved = false;
cleanup:
    return status;
}
