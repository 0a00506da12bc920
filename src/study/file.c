/* The study file. Its settings are a recipe's (train/recipe_yaml.c), read at their place and kept as a list, since what
 * they change is only known when `from` has been followed. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/number.h"
#include "study/study.h"

#define NAME_MOST 100
#define SEED_MOST 9007199254740992.0 /* as train.seed */

typedef struct reader {
    oc_study_file *file;
    oc_recipe *scratch; /* values are tried on it */
    oc_study_changes *changes;
} reader;

/* A key of a mapping and what reads its value into `target`. */
typedef struct field {
    const char *key;
    oc_status (*read)(reader *r, void *target, const oc_yaml_node *node, oc_error *err);
} field;

static oc_status fail_at(const reader *r, size_t line, oc_error *err, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static oc_status fail_at(const reader *r, size_t line, oc_error *err, const char *format, ...) {
    char message[OC_ERROR_MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return oc_yaml_fail(r->file->path, line, err, "%s", message);
}

/* Reads a mapping by its table of keys, which a row without a key ends. */
static oc_status read_fields(reader *r, const char *what, const field *fields, void *target, const oc_yaml_node *node,
                             oc_error *err) {
    oc_status status = OC_OK;
    const char *names[16];
    char list[256] = "";
    size_t count = 0, used = 0;
    size_t line_of[16] = {0};
    for (; fields[count].key; count++) {
        names[count] = fields[count].key;
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", count > 0 ? ", " : "", names[count]);
    }
    if (node->kind != OC_YAML_MAP) return fail_at(r, node->line, err, "%s is a mapping of %s", what, list);
    for (size_t i = 0; i < node->count; i++) {
        const oc_yaml_node *child = &node->child[i];
        size_t f = 0;
        while (f < count && strcmp(names[f], child->key) != 0) f++;
        if (f == count) {
            const char *nearest = oc_text_nearest(child->key, names, count);
            if (nearest)
                return fail_at(r, child->key_line, err, "unknown key \"%.100s\" in %s: did you mean %s?", child->key,
                               what, nearest);
            return fail_at(r, child->key_line, err, "unknown key \"%.100s\" in %s: its keys are %s", child->key, what,
                           list);
        }
        if (line_of[f] != 0)
            return fail_at(r, child->key_line, err, "%s is already given in line %zu", names[f], line_of[f]);
        line_of[f] = child->key_line;
        OC_TRY(fields[f].read(r, target, child, err));
    }
cleanup:
    return status;
}

/* ---- Values ------------------------------------------------------------------------------------------------------ */

static oc_status need_text(reader *r, const oc_yaml_node *node, oc_error *err) {
    const char *key = node->key ? node->key : "an item";
    if (node->kind != OC_YAML_TEXT) return fail_at(r, node->line, err, "%s takes one value", key);
    if (node->text[0] == '\0') return fail_at(r, node->line, err, "%s has no value", key);
    return OC_OK;
}

/* A number, a whole one where `whole`, in [low, high]. */
static oc_status read_number(reader *r, const oc_yaml_node *node, bool whole, double low, double high, double *out,
                             oc_error *err) {
    oc_status status = need_text(r, node, err);
    if (status != OC_OK) return status;
    const char *key = node->key ? node->key : "a seed";
    char *end = NULL;
    bool digits = node->text[strspn(node->text, whole ? "0123456789+-" : "0123456789+-.eE")] == '\0';
    *out = oc_number_read(node->text, &end);
    if (!digits || *end != '\0')
        return fail_at(r, node->line, err, "%s takes a %snumber, not \"%.100s\"", key, whole ? "whole " : "",
                       node->text);
    if (!(*out >= low && *out <= high)) {
        char from[32], to[32];
        oc_number_write(low, from);
        oc_number_write(high, to);
        return fail_at(r, node->line, err, "%s = %.100s is out of range: it goes from %s to %s", key, node->text, from,
                       to);
    }
    return OC_OK;
}

static oc_status read_count(reader *r, int64_t *out, const oc_yaml_node *node, double low, oc_error *err) {
    double number = 0;
    oc_status status = read_number(r, node, true, low, 1e9, &number, err);
    if (status == OC_OK) *out = (int64_t)number;
    return status;
}

/* A name that is also a folder's. */
static oc_status read_new_name(reader *r, oc_study_name *name, const oc_yaml_node *node, oc_error *err) {
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    oc_status status = need_text(r, node, err);
    if (status != OC_OK) return status;
    const char *text = node->text;
    if (strlen(text) > NAME_MOST || text[strspn(text, allowed)] != '\0' || text[0] == '.' || text[0] == '-')
        return fail_at(r, node->line, err,
                       "\"%.120s\" is no name: letters, digits, \".\", \"_\" and \"-\", at most %d, no \".\" or \"-\" "
                       "first; it names a folder",
                       text, NAME_MOST);
    if (strcmp(text, OC_STUDY_CSV) == 0 || strcmp(text, OC_STUDY_JSON) == 0)
        return fail_at(r, node->line, err, "the name %s is taken by the study's table", text);
    name->line = node->line;
    return oc_strdup(&name->text, text, err);
}

static oc_status read_reference(reader *r, oc_study_name *name, const oc_yaml_node *node, oc_error *err) {
    oc_status status = need_text(r, node, err);
    if (status != OC_OK) return status;
    name->line = node->line;
    return oc_strdup(&name->text, node->text, err);
}

static oc_status add_change(void *user, const char *key, const char *value, const char *where, oc_error *err) {
    reader *r = user;
    oc_study_changes *changes = r->changes;
    oc_status status = OC_OK;
    OC_TRY(oc_recipe_set(r->scratch, key, value, where, err));
    OC_TRY(oc_grow(&changes->item, &changes->capacity, changes->count + 1, sizeof *changes->item, err));
    oc_study_change *change = &changes->item[changes->count++];
    change->key = key;
    OC_TRY(oc_strdup(&change->value, oc_recipe_get(r->scratch, key), err));
    OC_TRY(oc_strdup(&change->where, where, err));
cleanup:
    return status;
}

static oc_status read_changes(reader *r, oc_study_changes *changes, const oc_yaml_node *node, oc_error *err) {
    if (node->kind != OC_YAML_MAP)
        return fail_at(r, node->line, err, "set is a mapping of settings, \"optimizer.lr: 0.001\"");
    r->changes = changes;
    return oc_recipe_settings(node, r->file->path, add_change, r, err);
}

/* ---- A run ------------------------------------------------------------------------------------------------------- */

static oc_status run_name(reader *r, void *target, const oc_yaml_node *node, oc_error *err) {
    return read_new_name(r, &((oc_study_entry *)target)->name, node, err);
}

static oc_status run_from(reader *r, void *target, const oc_yaml_node *node, oc_error *err) {
    return read_reference(r, &((oc_study_entry *)target)->from, node, err);
}

static oc_status run_start(reader *r, void *target, const oc_yaml_node *node, oc_error *err) {
    return read_reference(r, &((oc_study_entry *)target)->start, node, err);
}

static oc_status run_set(reader *r, void *target, const oc_yaml_node *node, oc_error *err) {
    return read_changes(r, &((oc_study_entry *)target)->set, node, err);
}

static oc_status run_seeds(reader *r, void *target, const oc_yaml_node *node, oc_error *err) {
    oc_status status = OC_OK;
    oc_study_entry *entry = target;
    if (node->kind != OC_YAML_LIST || node->count == 0)
        return fail_at(r, node->line, err, "seeds is a list of numbers, \"[0, 1, 2]\"");
    for (size_t i = 0; i < node->count; i++) {
        double seed = 0;
        OC_TRY(read_number(r, &node->child[i], true, 0, SEED_MOST, &seed, err));
        for (size_t j = 0; j < entry->seeds; j++)
            if ((double)entry->seed[j] == seed)
                return fail_at(r, node->child[i].line, err, "seed %.0f is listed twice", seed);
        OC_TRY(oc_grow(&entry->seed, &entry->seed_capacity, entry->seeds + 1, sizeof *entry->seed, err));
        entry->seed[entry->seeds++] = (uint64_t)seed;
    }
cleanup:
    return status;
}

static const field run_fields[] = {
    {"name", run_name}, {"from", run_from}, {"start", run_start}, {"set", run_set}, {"seeds", run_seeds}, {NULL, NULL},
};

/* ---- The ensemble ------------------------------------------------------------------------------------------------ */

static oc_status join_name(reader *r, void *target, const oc_yaml_node *node, oc_error *err) {
    return read_new_name(r, &((oc_study_join *)target)->name, node, err);
}

static oc_status join_members(reader *r, void *target, const oc_yaml_node *node, oc_error *err) {
    oc_status status = OC_OK;
    oc_study_join *join = target;
    if (node->kind != OC_YAML_LIST || node->count == 0)
        return fail_at(r, node->line, err, "members is a list of runs, \"[a, b]\"");
    for (size_t i = 0; i < node->count; i++) {
        OC_TRY(oc_grow(&join->member, &join->member_capacity, join->members + 1, sizeof *join->member, err));
        OC_TRY(read_reference(r, &join->member[join->members++], &node->child[i], err));
    }
cleanup:
    return status;
}

/* A value that is one of `choices` (NULL-terminated). */
static oc_status read_choice(reader *r, char **out, const oc_yaml_node *node, const char *const *choices,
                             oc_error *err) {
    oc_status status = need_text(r, node, err);
    if (status != OC_OK) return status;
    char list[64] = "";
    size_t count = 0, used = 0;
    for (; choices[count]; count++) {
        if (strcmp(choices[count], node->text) == 0) return oc_strdup(out, node->text, err);
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", count > 0 ? ", " : "", choices[count]);
    }
    const char *nearest = oc_text_nearest(node->text, choices, count);
    return fail_at(r, node->line, err, "%s is one of %s, not \"%.100s\"%s%s%s", node->key, list, node->text,
                   nearest ? ": did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
}

static oc_status join_method(reader *r, void *target, const oc_yaml_node *node, oc_error *err) {
    static const char *const choices[] = {"stack", "mean", "weighted", NULL};
    return read_choice(r, &((oc_study_join *)target)->method, node, choices, err);
}

static oc_status join_init(reader *r, void *target, const oc_yaml_node *node, oc_error *err) {
    static const char *const choices[] = {"random", "mean", NULL};
    return read_choice(r, &((oc_study_join *)target)->init, node, choices, err);
}

/* "train", "holdout", or "holdout:0.1". */
static oc_status join_fit_on(reader *r, void *target, const oc_yaml_node *node, oc_error *err) {
    static const char *const choices[] = {"train", "holdout", NULL};
    static const char prefix[] = "holdout:";
    oc_study_join *join = target;
    oc_status status = need_text(r, node, err);
    if (status != OC_OK) return status;
    if (strncmp(node->text, prefix, sizeof prefix - 1) != 0) return read_choice(r, &join->fit_on, node, choices, err);
    oc_yaml_node share = {.line = node->line, .key = node->key, .text = node->text + sizeof prefix - 1};
    status = read_number(r, &share, false, 0.001, 0.9, &join->holdout, err);
    return status == OC_OK ? oc_strdup(&join->fit_on, "holdout", err) : status;
}

static oc_status join_prune(reader *r, void *target, const oc_yaml_node *node, oc_error *err) {
    return read_count(r, &((oc_study_join *)target)->prune, node, 2, err);
}

static oc_status join_epochs(reader *r, void *target, const oc_yaml_node *node, oc_error *err) {
    return read_count(r, &((oc_study_join *)target)->epochs, node, 1, err);
}

static oc_status join_batch_size(reader *r, void *target, const oc_yaml_node *node, oc_error *err) {
    return read_count(r, &((oc_study_join *)target)->batch_size, node, 1, err);
}

static oc_status join_lr(reader *r, void *target, const oc_yaml_node *node, oc_error *err) {
    return read_number(r, node, false, 1e-9, 10, &((oc_study_join *)target)->lr, err);
}

static oc_status join_smoothing(reader *r, void *target, const oc_yaml_node *node, oc_error *err) {
    return read_number(r, node, false, 0.0001, 0.99, &((oc_study_join *)target)->smoothing, err);
}

static oc_status join_seed(reader *r, void *target, const oc_yaml_node *node, oc_error *err) {
    double seed = 0;
    oc_status status = read_number(r, node, true, 0, SEED_MOST, &seed, err);
    if (status == OC_OK) ((oc_study_join *)target)->seed = (uint64_t)seed;
    return status;
}

static const field join_fields[] = {
    {"name", join_name}, {"members", join_members},     {"method", join_method}, {"fit_on", join_fit_on},
    {"init", join_init}, {"prune", join_prune},         {"epochs", join_epochs}, {"batch_size", join_batch_size},
    {"lr", join_lr},     {"smoothing", join_smoothing}, {"seed", join_seed},     {NULL, NULL},
};

/* ---- The whole --------------------------------------------------------------------------------------------------- */

/* The base recipe's path is relative to the study's folder. */
static oc_status study_recipe(reader *r, void *target, const oc_yaml_node *node, oc_error *err) {
    oc_study_file *file = target;
    oc_status status = need_text(r, node, err);
    if (status != OC_OK) return status;
    const char *slash = strrchr(file->path, '/');
    if (!slash) return oc_strdup(&file->base, node->text, err);
    char folder[4096];
    if (snprintf(folder, sizeof folder, "%.*s", (int)(slash - file->path) + 1, file->path) >= (int)sizeof folder)
        return fail_at(r, node->line, err, "the path is too long");
    return oc_path_join(&file->base, folder, node->text, err);
}

static oc_status study_set(reader *r, void *target, const oc_yaml_node *node, oc_error *err) {
    return read_changes(r, &((oc_study_file *)target)->set, node, err);
}

static oc_status study_runs(reader *r, void *target, const oc_yaml_node *node, oc_error *err) {
    oc_status status = OC_OK;
    oc_study_file *file = target;
    if (node->kind != OC_YAML_LIST || node->count == 0)
        return fail_at(r, node->line, err, "runs is a list of runs, each a mapping that begins with \"- name: ...\"");
    for (size_t i = 0; i < node->count; i++) {
        OC_TRY(oc_grow(&file->entry, &file->entry_capacity, file->entries + 1, sizeof *file->entry, err));
        oc_study_entry *entry = &file->entry[file->entries++];
        OC_TRY(read_fields(r, "a run", run_fields, entry, &node->child[i], err));
        if (!entry->name.text) return fail_at(r, node->child[i].line, err, "this run has no name");
        for (size_t j = 0; j + 1 < file->entries; j++)
            if (strcmp(file->entry[j].name.text, entry->name.text) == 0)
                return fail_at(r, entry->name.line, err, "the name %s is already taken in line %zu", entry->name.text,
                               file->entry[j].name.line);
    }
cleanup:
    return status;
}

static oc_status study_ensemble(reader *r, void *target, const oc_yaml_node *node, oc_error *err) {
    oc_study_join *join = &((oc_study_file *)target)->join;
    join->line = node->key_line;
    oc_status status = read_fields(r, "ensemble", join_fields, join, node, err);
    if (status != OC_OK || join->name.text) return status;
    join->name.line = node->key_line;
    return oc_strdup(&join->name.text, "ensemble", err);
}

static const field study_fields[] = {
    {"recipe", study_recipe}, {"set", study_set}, {"runs", study_runs}, {"ensemble", study_ensemble}, {NULL, NULL},
};

oc_status oc_study_file_read(oc_study_file *file, const char *path, oc_error *err) {
    oc_status status = OC_OK;
    oc_yaml_node *root = NULL;
    char *text = NULL;
    size_t size = 0;
    file->path = path;
    reader r = {.file = file};
    OC_TRY(oc_recipe_create(&r.scratch, err));
    OC_TRY(oc_file_read(&text, &size, path, OC_YAML_LIMIT, err));
    OC_TRY(oc_yaml_parse(&root, text, size, path, err));
    const oc_yaml_node nothing = {.line = 1};
    OC_TRY(read_fields(&r, "a study", study_fields, file, root ? root : &nothing, err));
    if (file->entries == 0) status = fail_at(&r, root ? root->line : 1, err, "there are no runs: a study lists some");
cleanup:
    oc_recipe_destroy(&r.scratch);
    oc_yaml_destroy(&root);
    oc_free(text);
    return status;
}

static void free_changes(oc_study_changes *changes) {
    for (size_t i = 0; i < changes->count; i++) {
        oc_free(changes->item[i].value);
        oc_free(changes->item[i].where);
    }
    oc_free(changes->item);
}

void oc_study_file_free(oc_study_file *file) {
    for (size_t i = 0; i < file->entries; i++) {
        oc_study_entry *entry = &file->entry[i];
        oc_free(entry->name.text);
        oc_free(entry->from.text);
        oc_free(entry->start.text);
        oc_free(entry->seed);
        free_changes(&entry->set);
    }
    oc_study_join *join = &file->join;
    for (size_t i = 0; i < join->members; i++) oc_free(join->member[i].text);
    oc_free(join->member);
    oc_free(join->name.text);
    oc_free(join->method);
    oc_free(join->init);
    oc_free(join->fit_on);
    free_changes(&file->set);
    oc_free(file->entry);
    oc_free(file->base);
    *file = (oc_study_file){0};
}

const oc_study_entry *oc_study_file_find(const oc_study_file *file, const char *name) {
    for (size_t i = 0; i < file->entries; i++)
        if (strcmp(file->entry[i].name.text, name) == 0) return &file->entry[i];
    return NULL;
}
