/* Recipes from YAML: nested mappings ("optimizer:" with "lr: 0.001" in it) and dotted keys ("optimizer.lr: 0.001"),
 * nothing else of YAML. Every error names file and line; types, ranges and choices are the recipe's table's. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "recipe/recipe_table.h"
#include "recipe/yaml.h"

#define SAVED_KEYS 28 /* that the first saved recipes had */
#define NAME_SIZE 256

typedef struct walk {
    const char *where;
    oc_on_setting on_setting;
    void *user;
    size_t line_of[OC_RECIPE_KEYS]; /* where each key was set; 0: not yet */
} walk;

/* True when some key of the table starts with `prefix` ("optimizer."). */
static bool is_group(const char *prefix) {
    for (size_t i = 0; i < OC_RECIPE_KEYS; i++)
        if (strncmp(oc_recipe_rows[i].key.key, prefix, strlen(prefix)) == 0) return true;
    return false;
}

/* `full`, to which a mapping is given, is no group of keys. */
static oc_status fail_group(const walk *w, const char *full, size_t line, oc_error *err) {
    for (size_t i = 0; i < OC_RECIPE_KEYS; i++)
        if (strcmp(oc_recipe_rows[i].key.key, full) == 0)
            return oc_yaml_fail(w->where, line, err, "%s takes one value, not a mapping", full);
    /* The groups, for the nearest and the list. */
    char groups[OC_RECIPE_KEYS][32], list[OC_RECIPE_KEYS * 34] = "";
    const char *names[OC_RECIPE_KEYS];
    size_t count = 0, used = 0;
    for (size_t i = 0; i < OC_RECIPE_KEYS; i++) {
        const char *key = oc_recipe_rows[i].key.key;
        int size = (int)strcspn(key, ".");
        if (count > 0 && strncmp(groups[count - 1], key, (size_t)size) == 0 && groups[count - 1][size] == '\0')
            continue;
        snprintf(groups[count], sizeof groups[count], "%.*s", size, key);
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", count > 0 ? ", " : "", groups[count]);
        names[count] = groups[count];
        count++;
    }
    const char *nearest = oc_text_nearest(full, names, count);
    if (nearest) return oc_yaml_fail(w->where, line, err, "unknown group \"%.100s\": did you mean %s?", full, nearest);
    return oc_yaml_fail(w->where, line, err, "unknown group \"%.100s\": the groups are %s", full, list);
}

/* One setting: key `full` and its value. */
static oc_status take(walk *w, const char *full, const oc_yaml_node *node, oc_error *err) {
    char where[OC_ERROR_WHERE_SIZE];
    snprintf(where, sizeof where, "%.900s:%zu", w->where, node->key_line);
    int index = oc_recipe_row_find(full, where, err);
    if (index < 0) return OC_E_USAGE;
    if (node->kind != OC_YAML_TEXT)
        return oc_yaml_fail(w->where, node->line, err, "%s takes one value, not a list", full);
    if (w->line_of[index] != 0)
        return oc_yaml_fail(w->where, node->key_line, err, "%s is already set in line %zu", full, w->line_of[index]);
    w->line_of[index] = node->key_line;
    return w->on_setting(w->user, oc_recipe_rows[index].key.key, node->text, where, err);
}

/* The settings in a mapping whose keys are preceded by `prefix` ("", "optimizer."). */
static oc_status walk_map(walk *w, const oc_yaml_node *map, const char *prefix, oc_error *err) {
    oc_status status = OC_OK;
    for (size_t i = 0; i < map->count; i++) {
        const oc_yaml_node *node = &map->child[i];
        char full[NAME_SIZE];
        int size = snprintf(full, sizeof full - 1, "%s%s", prefix, node->key);
        if (size < 0 || size >= NAME_SIZE - 1)
            return oc_yaml_fail(w->where, node->key_line, err, "a key of this length is in no recipe");
        if (node->kind == OC_YAML_MAP) {
            full[size] = '.';
            full[size + 1] = '\0';
            if (!is_group(full)) {
                full[size] = '\0';
                return fail_group(w, full, node->key_line, err);
            }
            OC_TRY(walk_map(w, node, full, err));
        } else {
            OC_TRY(take(w, full, node, err));
        }
    }
cleanup:
    return status;
}

oc_status oc_recipe_settings(const oc_yaml_node *map, const char *where, oc_on_setting on_setting, void *user,
                             oc_error *err) {
    walk w = {.where = where, .on_setting = on_setting, .user = user};
    return walk_map(&w, map, "", err);
}

/* Settings that go into a recipe. */
typedef struct setter {
    oc_recipe *recipe;
    int count;
    bool mean, std; /* stated */
} setter;

static oc_status set_in_recipe(void *user, const char *key, const char *value, const char *where, oc_error *err) {
    setter *s = user;
    s->count++;
    s->mean |= strcmp(key, "data.mean") == 0;
    s->std |= strcmp(key, "data.std") == 0;
    return oc_recipe_set(s->recipe, key, value, where, err);
}

/* A saved recipe states every key there is. One without data.mean and data.std was saved before there were the two,
 * when every data set had the reference's. */
static oc_status complete(const setter *s, const char *where, oc_error *err) {
    oc_status status = OC_OK;
    if (s->count < SAVED_KEYS) return OC_OK;
    if (!s->mean) OC_TRY(oc_recipe_set(s->recipe, "data.mean", "reference", where, err));
    if (!s->std) OC_TRY(oc_recipe_set(s->recipe, "data.std", "reference", where, err));
cleanup:
    return status;
}

oc_status oc_recipe_load_memory(oc_recipe *recipe, const char *yaml, size_t size, const char *where, oc_error *err) {
    oc_status status = OC_OK;
    oc_yaml_node *root = NULL;
    oc_recipe *copy = NULL;
    OC_TRY(oc_yaml_parse(&root, yaml, size, where, err));
    if (!root || root->kind != OC_YAML_MAP) {
        status = oc_yaml_fail(where, root ? root->line : 1, err, "%sa recipe is a mapping, \"optimizer.lr: 0.001\"",
                              root ? "" : "no setting in it: ");
        goto cleanup;
    }
    OC_TRY(oc_recipe_copy(&copy, recipe, err));
    setter into = {.recipe = copy};
    OC_TRY(oc_recipe_settings(root, where, set_in_recipe, &into, err));
    OC_TRY(complete(&into, where, err));
    /* All of it was good: the copy becomes the recipe. */
    oc_recipe before = *recipe;
    *recipe = *copy;
    *copy = before;
cleanup:
    oc_yaml_destroy(&root);
    oc_recipe_destroy(&copy);
    return status;
}

oc_status oc_recipe_load(oc_recipe *recipe, const char *path, oc_error *err) {
    oc_status status = OC_OK;
    char *text = NULL;
    size_t size = 0;
    OC_TRY(oc_file_read(&text, &size, path, OC_YAML_LIMIT, err));
    OC_TRY(oc_recipe_load_memory(recipe, text, size, path, err));
cleanup:
    oc_free(text);
    return status;
}
