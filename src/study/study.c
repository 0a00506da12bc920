/* From the file to the runs: links followed, recipes resolved, seeds unfolded, everything checked that needs no data.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "models/build.h"
#include "models/ensemble.h"
#include "study/study.h"

/* ---- Links between the entries ----------------------------------------------------------------------------------- */

/* The two ways in which a run builds on another. */
static const oc_study_name *link_from(const oc_study_entry *entry) {
    return &entry->from;
}

static const oc_study_name *link_start(const oc_study_entry *entry) {
    return &entry->start;
}

typedef const oc_study_name *(*link)(const oc_study_entry *entry);

/* The entry that `name` names; `key` says where it stands. */
static oc_status find_entry(const oc_study_file *file, const oc_study_name *name, const char *key,
                            const oc_study_entry **out, oc_error *err) {
    *out = oc_study_file_find(file, name->text);
    if (*out) return OC_OK;
    oc_status status = OC_OK;
    const char **names = NULL;
    OC_TRY(oc_alloc(&names, file->entries, sizeof *names, err));
    for (size_t i = 0; i < file->entries; i++) names[i] = file->entry[i].name.text;
    const char *nearest = oc_text_nearest(name->text, names, file->entries);
    status = oc_yaml_fail(file->path, name->line, err, "%s: no run is called \"%.100s\"%s%s%s", key, name->text,
                          nearest ? ": did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
cleanup:
    oc_free(names);
    return status;
}

/* Every link leads somewhere, and none back to where it began. */
static oc_status check_links(const oc_study_file *file, link of, const char *key, oc_error *err) {
    oc_status status = OC_OK;
    oc_text chain = {0};
    for (size_t i = 0; i < file->entries; i++) {
        const oc_study_entry *found;
        if (of(&file->entry[i])->text) OC_TRY(find_entry(file, of(&file->entry[i]), key, &found, err));
    }
    for (size_t i = 0; i < file->entries; i++) {
        const oc_study_entry *begin = &file->entry[i], *entry = begin;
        oc_text_free(&chain);
        OC_TRY(oc_text_printf(&chain, err, "%s", begin->name.text));
        /* A chain longer than there are entries goes round in a circle further on, which is found from there. */
        for (size_t steps = 0; steps < file->entries && of(entry)->text; steps++) {
            entry = oc_study_file_find(file, of(entry)->text);
            OC_TRY(oc_text_printf(&chain, err, " -> %s", entry->name.text));
            if (entry != begin) continue;
            status = oc_yaml_fail(file->path, of(begin)->line, err, "%s goes round in a circle: %s", key, chain.data);
            goto cleanup;
        }
    }
cleanup:
    oc_text_free(&chain);
    return status;
}

/* ---- Recipes ----------------------------------------------------------------------------------------------------- */

static oc_status apply(oc_recipe *recipe, const oc_study_changes *changes, oc_error *err) {
    oc_status status = OC_OK;
    for (size_t i = 0; i < changes->count; i++)
        OC_TRY(oc_recipe_set(recipe, changes->item[i].key, changes->item[i].value, changes->item[i].where, err));
cleanup:
    return status;
}

/* Applies what the entries that `entry` comes from change, the farthest first, and then its own changes. */
static oc_status apply_entry(oc_recipe *recipe, const oc_study_file *file, const oc_study_entry *entry, oc_error *err) {
    oc_status status = OC_OK;
    if (entry->from.text) OC_TRY(apply_entry(recipe, file, oc_study_file_find(file, entry->from.text), err));
    OC_TRY(apply(recipe, &entry->set, err));
cleanup:
    return status;
}

/* *out = "key=value key=value" of what differs, the seed aside. */
static oc_status describe_changes(char **out, const oc_recipe *base, const oc_recipe *recipe, oc_error *err) {
    oc_status status = OC_OK;
    oc_text text = {0};
    const oc_recipe_key *key;
    for (size_t i = 0; (key = oc_recipe_key_at(i)); i++) {
        const char *value = oc_recipe_get(recipe, key->key);
        if (strcmp(value, oc_recipe_get(base, key->key)) == 0 || strcmp(key->key, "train.seed") == 0) continue;
        OC_TRY(oc_text_printf(&text, err, "%s%s=%s", text.size > 0 ? " " : "", key->key, value));
    }
    OC_TRY(oc_strdup(out, text.data ? text.data : "", err));
cleanup:
    oc_text_free(&text);
    return status;
}

/* The model must be one of the registry's and take the size, whatever the number of classes. */
static oc_status check_model(const oc_study *study, const oc_study_task *run, oc_error *err) {
    static const char *const classes[] = {"a", "b"};
    oc_model *model = NULL;
    oc_error why = {0};
    const oc_model_options options = oc_recipe_model_options(&run->values);
    oc_status status = oc_model_build(&model, run->values.model_name, classes, 2, run->values.size, &options, &why);
    oc_model_destroy(&model);
    if (status == OC_E_USAGE)
        return oc_yaml_fail(study->path, run->entry->name.line, err, "%s: %s", run->name, why.message);
    return status == OC_OK ? OC_OK : oc_fail(err, status, why.where, "%s", why.message);
}

/* ---- Unfolding --------------------------------------------------------------------------------------------------- */

/* Place of the run of this name, or -1. */
static int64_t find_named(const oc_study *study, const char *name) {
    for (size_t i = 0; i < study->runs; i++)
        if (strcmp(study->run[i].name, name) == 0) return (int64_t)i;
    return -1;
}

/* Place of an entry's only run, or of that with this seed, or -1. */
static int64_t find_seeded(const oc_study *study, const oc_study_entry *entry, int64_t seed) {
    for (size_t i = 0; i < study->runs; i++)
        if (study->run[i].entry == entry && (study->run[i].row.seed < 0 || study->run[i].row.seed == seed))
            return (int64_t)i;
    return -1;
}

/* Finds the run whose weights `run` starts from: that of the same seed, where there are several. */
static oc_status find_start(const oc_study *study, oc_study_task *run, oc_error *err) {
    const oc_study_name *start = &run->entry->start;
    const oc_study_entry *entry = oc_study_file_find(&study->file, start->text);
    run->start = find_seeded(study, entry, run->row.seed);
    if (run->start < 0)
        return oc_yaml_fail(study->path, start->line, err,
                            "start: %s has seeds, and seed %" PRId64 " of %s is none of them: list the same ones",
                            start->text, run->row.seed, run->row.run);
    const oc_study_task *first = &study->run[run->start];
    if (strcmp(first->values.stem, run->values.stem) != 0)
        return oc_yaml_fail(study->path, start->line, err, "start: %s has the stem %s, here it is %s", start->text,
                            first->values.stem, run->values.stem);
    if (strcmp(first->values.model_name, run->values.model_name) != 0)
        return oc_yaml_fail(study->path, start->line, err, "start: %s is a %s, whose weights do not fit a %s",
                            start->text, first->values.model_name, run->values.model_name);
    const oc_model_entry *model = NULL;
    oc_status status = oc_model_entry_find(&model, run->values.model_name, err);
    if (status == OC_OK && model->fixed_size && first->values.size != run->values.size)
        return oc_yaml_fail(study->path, start->line, err,
                            "start: %s has images of %" PRId64 " pixels, here %" PRId64 ": a %s is made for one size",
                            start->text, first->values.size, run->values.size, run->values.model_name);
    run->row.start = first->name;
    return status;
}

static oc_study_row blank_row(void) {
    const double none = (double)NAN;
    return (oc_study_row){.seed = -1,
                          .steps = -1,
                          .parameters = -1,
                          .top1 = none,
                          .top1_low = none,
                          .top1_high = none,
                          .best_epoch = -1,
                          .roughness = none,
                          .seconds = none,
                          .images_per_second = none,
                          .estimate = none};
}

/* Appends the run of one entry and seed (−1: the recipe's). `base`: base recipe and shared changes. */
static oc_status add_run(oc_study *study, const oc_study_entry *entry, int64_t seed, const oc_recipe *base,
                         oc_error *err) {
    oc_status status = OC_OK;
    char name[160], text[32];
    oc_study_task *run = &study->run[study->runs];
    run->entry = entry;
    run->start = -1;
    run->row = blank_row();
    run->row.seed = seed;
    snprintf(name, sizeof name, seed < 0 ? "%s" : "%s-seed%" PRId64, entry->name.text, seed);
    if (find_named(study, name) >= 0) {
        status = oc_yaml_fail(study->path, entry->name.line, err, "two runs would be called %s", name);
        goto cleanup;
    }
    study->runs++;
    OC_TRY(oc_strdup(&run->name, name, err));
    OC_TRY(oc_recipe_copy(&run->recipe, base, err));
    OC_TRY(apply_entry(run->recipe, &study->file, entry, err));
    if (seed >= 0) {
        snprintf(text, sizeof text, "%" PRId64, seed);
        OC_TRY(oc_recipe_set(run->recipe, "train.seed", text, "seeds", err));
    }
    run->values = oc_recipe_resolve(run->recipe);
    OC_TRY(describe_changes(&run->changes, base, run->recipe, err));
    run->row.name = run->name;
    run->row.run = entry->name.text;
    run->row.model = run->values.model_name;
    run->row.changes = run->changes;
    OC_TRY(check_model(study, run, err));
    if (entry->start.text) OC_TRY(find_start(study, run, err));
cleanup:
    return status;
}

/* Appends the runs of an entry, after those that it starts from. */
static oc_status add_entry(oc_study *study, const oc_study_entry *entry, const oc_recipe *base, oc_error *err) {
    oc_status status = OC_OK;
    for (size_t i = 0; i < study->runs; i++)
        if (study->run[i].entry == entry) return OC_OK;
    if (entry->start.text) OC_TRY(add_entry(study, oc_study_file_find(&study->file, entry->start.text), base, err));
    if (entry->seeds == 0) OC_TRY(add_run(study, entry, -1, base, err));
    for (size_t i = 0; i < entry->seeds; i++) OC_TRY(add_run(study, entry, (int64_t)entry->seed[i], base, err));
cleanup:
    return status;
}

/* ---- The ensemble ------------------------------------------------------------------------------------------------ */

static oc_status add_member(oc_study_ensemble *ensemble, const oc_study *study, size_t run, const oc_study_name *name,
                            oc_error *err) {
    for (size_t i = 0; i < ensemble->members; i++)
        if (ensemble->member[i] == run)
            return oc_yaml_fail(study->path, name->line, err, "members: %s is listed twice", study->run[run].name);
    ensemble->member[ensemble->members++] = run;
    return OC_OK;
}

/* A member is a row's name, or an entry's: all its seeds. None listed: every run. */
static oc_status find_members(oc_study *study, oc_error *err) {
    oc_status status = OC_OK;
    oc_study_ensemble *ensemble = &study->ensemble;
    const oc_study_join *join = &study->file.join;
    const oc_study_name whole = {.line = join->line};
    OC_TRY(oc_alloc(&ensemble->member, study->runs, sizeof *ensemble->member, err));
    for (size_t i = 0; join->members == 0 && i < study->runs; i++) OC_TRY(add_member(ensemble, study, i, &whole, err));
    for (size_t m = 0; m < join->members; m++) {
        const oc_study_name *name = &join->member[m];
        const oc_study_entry *entry = NULL;
        int64_t exact = find_named(study, name->text);
        if (exact >= 0) {
            OC_TRY(add_member(ensemble, study, (size_t)exact, name, err));
            continue;
        }
        OC_TRY(find_entry(&study->file, name, "members", &entry, err));
        for (size_t i = 0; i < study->runs; i++)
            if (study->run[i].entry == entry) OC_TRY(add_member(ensemble, study, i, name, err));
    }
    if (ensemble->members < OC_ENSEMBLE_LEAST || ensemble->members > OC_ENSEMBLE_MOST)
        status = oc_yaml_fail(study->path, join->line, err, "an ensemble joins %d to %d runs, not %zu",
                              (int)OC_ENSEMBLE_LEAST, (int)OC_ENSEMBLE_MOST, ensemble->members);
    if (status == OC_OK && join->prune > (int64_t)ensemble->members)
        status = oc_yaml_fail(study->path, join->line, err, "prune = %" PRId64 " keeps more than the %zu members",
                              join->prune, ensemble->members);
cleanup:
    return status;
}

/* Which share of the training images is left out for the ensemble: what is asked for, or what every member left out. */
static oc_status find_holdout(oc_study *study, oc_error *err) {
    const oc_study_join *join = &study->file.join;
    double least = 1;
    for (size_t i = 0; i < study->ensemble.members; i++) {
        double share = study->run[study->ensemble.member[i]].values.holdout;
        if (share < least) least = share;
    }
    study->ensemble.holdout = join->holdout > 0 ? join->holdout : least;
    if (join->fit_on && strcmp(join->fit_on, "holdout") == 0 && !(study->ensemble.holdout > 0))
        return oc_yaml_fail(study->path, join->line, err,
                            "fit_on: holdout needs a share, \"holdout:0.1\", since not every member has data.holdout");
    return OC_OK;
}

static oc_status add_ensemble(oc_study *study, oc_error *err) {
    oc_status status = OC_OK;
    oc_text text = {0};
    oc_study_ensemble *ensemble = &study->ensemble;
    const oc_study_join *join = &study->file.join;
    if (find_named(study, join->name.text) >= 0) {
        status = oc_yaml_fail(study->path, join->name.line, err, "the name %s is already a run's", join->name.text);
        goto cleanup;
    }
    OC_TRY(find_members(study, err));
    OC_TRY(find_holdout(study, err));
    for (size_t i = 0; i < ensemble->members; i++)
        OC_TRY(oc_text_printf(&text, err, "%s%s", i > 0 ? " " : "", study->run[ensemble->member[i]].name));
    ensemble->members_text = text.data;
    text = (oc_text){0};
    ensemble->row = blank_row();
    ensemble->row.name = ensemble->row.run = join->name.text;
    ensemble->row.model = join->method ? join->method : "stack";
    ensemble->row.changes = ensemble->members_text;
    ensemble->row.ensemble = true;
    study->joined = true;
cleanup:
    oc_text_free(&text);
    return status;
}

/* ---- Public ------------------------------------------------------------------------------------------------------ */

oc_status oc_study_open(oc_study **out, const char *path, oc_error *err) {
    oc_status status = OC_OK;
    oc_study *study = NULL;
    oc_recipe *base = NULL;
    OC_TRY(oc_alloc(&study, 1, sizeof *study, err));
    OC_TRY(oc_strdup(&study->path, path, err));
    OC_TRY(oc_study_file_read(&study->file, study->path, err));
    const oc_study_file *file = &study->file;
    OC_TRY(check_links(file, link_from, "from", err));
    OC_TRY(check_links(file, link_start, "start", err));

    OC_TRY(oc_recipe_create(&base, err));
    if (file->base) OC_TRY(oc_recipe_load(base, file->base, err));
    OC_TRY(apply(base, &file->set, err));
    size_t runs = 0;
    for (size_t i = 0; i < file->entries; i++) runs += file->entry[i].seeds > 0 ? file->entry[i].seeds : 1;
    OC_TRY(oc_alloc(&study->run, runs, sizeof *study->run, err));
    for (size_t i = 0; i < file->entries; i++) OC_TRY(add_entry(study, &file->entry[i], base, err));
    if (file->join.name.text) OC_TRY(add_ensemble(study, err));
    *out = study;
    study = NULL;
cleanup:
    oc_recipe_destroy(&base);
    oc_study_destroy(&study);
    return status;
}

void oc_study_destroy(oc_study **study) {
    if (!study || !*study) return;
    oc_study *s = *study;
    for (size_t i = 0; i < s->runs; i++) {
        oc_study_task *run = &s->run[i];
        oc_free(run->name);
        oc_free(run->reason);
        oc_free(run->changes);
        oc_recipe_destroy(&run->recipe);
    }
    oc_free(s->run);
    oc_free(s->ensemble.member);
    oc_free(s->ensemble.members_text);
    oc_free(s->ensemble.reason);
    oc_free(s->json);
    oc_study_file_free(&s->file);
    oc_free(s->path);
    oc_free(s);
    *study = NULL;
}

size_t oc_study_count(const oc_study *study) {
    return study->runs + (study->joined ? 1 : 0);
}

oc_study_row oc_study_row_at(const oc_study *study, size_t index) {
    return index < study->runs ? study->run[index].row : study->ensemble.row;
}

oc_study_row *oc_study_row_of(oc_study *study, size_t index) {
    return index < study->runs ? &study->run[index].row : &study->ensemble.row;
}

oc_status oc_study_row_state(oc_study *study, size_t index, oc_study_state state, const char *reason, oc_error *err) {
    oc_status status = OC_OK;
    char **kept = index < study->runs ? &study->run[index].reason : &study->ensemble.reason;
    oc_study_row *row = oc_study_row_of(study, index);
    oc_free(*kept);
    *kept = NULL;
    row->state = state;
    if (reason) OC_TRY(oc_strdup(kept, reason, err));
cleanup:
    row->reason = *kept;
    return status;
}
