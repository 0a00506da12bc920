/* Recipes from YAML: nested mappings ("optimizer:" with "lr: 0.001" in it) and dotted keys ("optimizer.lr: 0.001"),
 * nothing else of YAML. Every error names file and line. The positions come from libyaml's events; types, ranges and
 * choices from the recipe's table. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "train/recipe_table.h"

#define FILE_LIMIT (1u << 20) /* bytes; a recipe is a few kilobytes */
#define DEPTH_LIMIT 8
#define PREFIX_SIZE 256

typedef struct reader {
    yaml_parser_t parser;
    const char *text;
    size_t size;
    const char *where;               /* the file's name */
    oc_recipe *recipe;               /* filled */
    size_t line_of[OC_RECIPE_KEYS];  /* where each key was set; 0: not yet */
    char prefix[PREFIX_SIZE];        /* of the mapping being read: "optimizer." */
    size_t prefix_size[DEPTH_LIMIT]; /* of the mappings around it */
    int depth;                       /* open mappings */
} reader;

/* Fails at a line (from 1) of the file. */
__attribute__((format(printf, 4, 5))) static oc_status fail_at(const reader *r, size_t line, oc_error *err,
                                                               const char *format, ...) {
    char where[OC_ERROR_WHERE_SIZE], message[OC_ERROR_MESSAGE_SIZE];
    snprintf(where, sizeof where, "%.900s:%zu", r->where, line);
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return oc_fail(err, OC_E_USAGE, where, "%s", message);
}

/* True when line `number` (from 1) is indented by a tab, which YAML forbids and libyaml reports obscurely. */
static bool indented_by_tab(const reader *r, size_t number) {
    const char *at = r->text, *end = r->text + r->size;
    for (size_t line = 1; line < number && at < end; line++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        if (!newline) return false;
        at = newline + 1;
    }
    while (at < end && *at == ' ') at++;
    return at < end && *at == '\t';
}

static oc_status next_event(reader *r, yaml_event_t *event, oc_error *err) {
    if (yaml_parser_parse(&r->parser, event)) return OC_OK;
    if (r->parser.error == YAML_MEMORY_ERROR) return oc_fail(err, OC_E_MEMORY, r->where, "out of memory");
    size_t line = r->parser.problem_mark.line + 1;
    if (indented_by_tab(r, line)) return fail_at(r, line, err, "indented by a tab: YAML takes spaces only");
    return fail_at(r, line, err, "not YAML: %s%s%s", r->parser.problem ? r->parser.problem : "unreadable",
                   r->parser.context ? " " : "", r->parser.context ? r->parser.context : "");
}

/* Line of an event, from 1. */
static size_t line_of(const yaml_event_t *event) {
    return event->start_mark.line + 1;
}

/* Refuses what a recipe has no use for: tags and anchors, and texts with a NUL inside. */
static oc_status check_scalar(const reader *r, const yaml_event_t *event, oc_error *err) {
    const char *text = (const char *)event->data.scalar.value;
    if (event->data.scalar.anchor) return fail_at(r, line_of(event), err, "anchors and aliases are not for recipes");
    if (event->data.scalar.tag) return fail_at(r, line_of(event), err, "tags are not for recipes");
    if (strlen(text) != event->data.scalar.length) return fail_at(r, line_of(event), err, "a NUL inside a text");
    return OC_OK;
}

/* True when some key of the table starts with `prefix` ("optimizer."). */
static bool is_group(const char *prefix) {
    for (size_t i = 0; i < OC_RECIPE_KEYS; i++)
        if (strncmp(oc_recipe_rows[i].key.key, prefix, strlen(prefix)) == 0) return true;
    return false;
}

/* Opens the mapping that belongs to `key`, whose full name is `full`. */
static oc_status open_group(reader *r, const char *full, size_t line, oc_error *err) {
    char prefix[PREFIX_SIZE + 1];
    snprintf(prefix, sizeof prefix, "%s.", full);
    if (is_group(prefix) && r->depth < DEPTH_LIMIT) {
        r->prefix_size[r->depth++] = strlen(r->prefix);
        memcpy(r->prefix, prefix, strlen(prefix) + 1);
        return OC_OK;
    }
    for (size_t i = 0; i < OC_RECIPE_KEYS; i++)
        if (strcmp(oc_recipe_rows[i].key.key, full) == 0)
            return fail_at(r, line, err, "%s takes one value, not a mapping", full);
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
    if (nearest) return fail_at(r, line, err, "unknown group \"%.100s\": did you mean %s?", full, nearest);
    return fail_at(r, line, err, "unknown group \"%.100s\": the groups are %s", full, list);
}

/* Sets key `full` to what the value event says. */
static oc_status set_key(reader *r, const char *full, size_t key_line, const yaml_event_t *value, oc_error *err) {
    char where[OC_ERROR_WHERE_SIZE];
    snprintf(where, sizeof where, "%.900s:%zu", r->where, key_line);
    int index = oc_recipe_row_find(full, where, err);
    if (index < 0) return OC_E_USAGE;
    if (value->type == YAML_SEQUENCE_START_EVENT)
        return fail_at(r, line_of(value), err, "%s takes one value, not a list", full);
    oc_status status = check_scalar(r, value, err);
    if (status != OC_OK) return status;
    if (r->line_of[index] != 0)
        return fail_at(r, key_line, err, "%s is already set in line %zu", full, r->line_of[index]);
    r->line_of[index] = key_line;
    return oc_recipe_row_set(r->recipe, index, (const char *)value->data.scalar.value, where, err);
}

/* Reads what stands after the key `key_event` (its value, or the start of a mapping). */
static oc_status read_entry(reader *r, const yaml_event_t *key_event, oc_error *err) {
    yaml_event_t value = {0};
    oc_status status = OC_OK;
    const char *key = (const char *)key_event->data.scalar.value;
    size_t line = line_of(key_event);
    char full[PREFIX_SIZE];
    OC_TRY(check_scalar(r, key_event, err));
    int full_size = snprintf(full, sizeof full, "%s%s", r->prefix, key);
    if (full_size < 0 || full_size >= PREFIX_SIZE - 1) {
        status = fail_at(r, line, err, "a key of this length is in no recipe");
        goto cleanup;
    }
    OC_TRY(next_event(r, &value, err));
    if (value.type == YAML_ALIAS_EVENT)
        status = fail_at(r, line_of(&value), err, "anchors and aliases are not for recipes");
    else if (value.type == YAML_MAPPING_START_EVENT)
        status = value.data.mapping_start.anchor
                     ? fail_at(r, line_of(&value), err, "anchors and aliases are not for recipes")
                     : open_group(r, full, line, err);
    else
        status = set_key(r, full, line, &value, err);
cleanup:
    yaml_event_delete(&value);
    return status;
}

/* Reads mappings until the outermost ends. */
static oc_status read_mappings(reader *r, oc_error *err) {
    oc_status status = OC_OK;
    yaml_event_t event = {0};
    while (r->depth > 0) {
        yaml_event_delete(&event);
        OC_TRY(next_event(r, &event, err));
        switch (event.type) {
        case YAML_SCALAR_EVENT:
            OC_TRY(read_entry(r, &event, err));
            break;
        case YAML_MAPPING_END_EVENT:
            r->prefix[r->prefix_size[--r->depth]] = '\0';
            break;
        case YAML_ALIAS_EVENT:
            status = fail_at(r, line_of(&event), err, "anchors and aliases are not for recipes");
            goto cleanup;
        default:
            status = fail_at(r, line_of(&event), err, "a key must be a plain word");
            goto cleanup;
        }
    }
cleanup:
    yaml_event_delete(&event);
    return status;
}

/* Reads the stream: one document, which is a mapping. */
static oc_status read_stream(reader *r, oc_error *err) {
    oc_status status = OC_OK;
    yaml_event_t event = {0};
    bool found = false;
    for (;;) {
        yaml_event_delete(&event);
        OC_TRY(next_event(r, &event, err));
        switch (event.type) {
        case YAML_STREAM_START_EVENT:
        case YAML_DOCUMENT_END_EVENT:
            break;
        case YAML_DOCUMENT_START_EVENT:
            if (found) {
                status = fail_at(r, line_of(&event), err, "a second document: a recipe is one");
                goto cleanup;
            }
            found = true;
            break;
        case YAML_MAPPING_START_EVENT:
            r->prefix_size[r->depth++] = 0;
            OC_TRY(read_mappings(r, err));
            break;
        case YAML_STREAM_END_EVENT:
            if (!found) status = fail_at(r, 1, err, "no setting in it: a recipe is a mapping, \"optimizer.lr: 0.001\"");
            goto cleanup;
        default:
            status = fail_at(r, line_of(&event), err, "a recipe is a mapping, \"optimizer.lr: 0.001\"");
            goto cleanup;
        }
    }
cleanup:
    yaml_event_delete(&event);
    return status;
}

oc_status oc_recipe_load_memory(oc_recipe *recipe, const char *yaml, size_t size, const char *where, oc_error *err) {
    oc_status status = OC_OK;
    reader r = {.text = yaml, .size = size, .where = where};
    bool parser = false;
    OC_TRY(oc_recipe_copy(&r.recipe, recipe, err));
    parser = yaml_parser_initialize(&r.parser);
    if (!parser) {
        status = oc_fail(err, OC_E_MEMORY, where, "out of memory");
        goto cleanup;
    }
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)yaml, size);
    OC_TRY(read_stream(&r, err));
    /* All of it was good: the copy becomes the recipe. */
    oc_recipe before = *recipe;
    *recipe = *r.recipe;
    *r.recipe = before;
cleanup:
    if (parser) yaml_parser_delete(&r.parser);
    oc_recipe_destroy(&r.recipe);
    return status;
}

oc_status oc_recipe_load(oc_recipe *recipe, const char *path, oc_error *err) {
    oc_status status = OC_OK;
    char *text = NULL;
    size_t size = 0;
    OC_TRY(oc_file_read(&text, &size, path, FILE_LIMIT, err));
    OC_TRY(oc_recipe_load_memory(recipe, text, size, path, err));
cleanup:
    oc_free(text);
    return status;
}
