/* Reading YAML by libyaml's events, which carry the positions. */
#include "recipe/yaml.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "base/error.h"
#include "base/memory.h"

#define DEPTH_LIMIT 16

typedef struct reader {
    yaml_parser_t parser;
    const char *text;
    size_t size;
    const char *where; /* the file's name */
} reader;

oc_status oc_yaml_fail(const char *where, size_t line, oc_error *err, const char *format, ...) {
    char place[OC_ERROR_WHERE_SIZE], message[OC_ERROR_MESSAGE_SIZE];
    snprintf(place, sizeof place, "%.900s:%zu", where, line);
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return oc_fail(err, OC_E_USAGE, place, "%s", message);
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
    if (indented_by_tab(r, line)) return oc_yaml_fail(r->where, line, err, "indented by a tab: YAML takes spaces only");
    return oc_yaml_fail(r->where, line, err, "not YAML: %s%s%s", r->parser.problem ? r->parser.problem : "unreadable",
                        r->parser.context ? " " : "", r->parser.context ? r->parser.context : "");
}

/* Line of an event, from 1. */
static size_t line_of(const yaml_event_t *event) {
    return event->start_mark.line + 1;
}

/* Refuses what settings have no use for: anchors, aliases and tags, and texts with a NUL inside. */
static oc_status check_event(const reader *r, const yaml_event_t *event, oc_error *err) {
    bool anchor = event->type == YAML_ALIAS_EVENT, tag = false;
    if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor != NULL;
        tag = event->data.scalar.tag != NULL;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        anchor = event->data.mapping_start.anchor != NULL;
        tag = event->data.mapping_start.tag != NULL;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        anchor = event->data.sequence_start.anchor != NULL;
        tag = event->data.sequence_start.tag != NULL;
    }
    if (anchor) return oc_yaml_fail(r->where, line_of(event), err, "anchors and aliases are not read here");
    if (tag) return oc_yaml_fail(r->where, line_of(event), err, "tags are not read here");
    if (event->type == YAML_SCALAR_EVENT && strlen((const char *)event->data.scalar.value) != event->data.scalar.length)
        return oc_yaml_fail(r->where, line_of(event), err, "a NUL inside a text");
    return OC_OK;
}

static oc_status read_node(reader *r, oc_yaml_node *node, const yaml_event_t *event, int depth, oc_error *err);

/* Reads the children of a mapping or list up to its end. */
static oc_status read_children(reader *r, oc_yaml_node *node, int depth, oc_error *err) {
    oc_status status = OC_OK;
    yaml_event_t event = {0};
    for (;;) {
        yaml_event_delete(&event);
        OC_TRY(next_event(r, &event, err));
        if (event.type == YAML_MAPPING_END_EVENT || event.type == YAML_SEQUENCE_END_EVENT) break;
        OC_TRY(oc_grow(&node->child, &node->capacity, node->count + 1, sizeof *node->child, err));
        oc_yaml_node *child = &node->child[node->count++];
        if (node->kind == OC_YAML_MAP) {
            OC_TRY(check_event(r, &event, err));
            if (event.type != YAML_SCALAR_EVENT) {
                status = oc_yaml_fail(r->where, line_of(&event), err, "a key must be a plain word");
                goto cleanup;
            }
            child->key_line = line_of(&event);
            OC_TRY(oc_strdup(&child->key, (const char *)event.data.scalar.value, err));
            yaml_event_delete(&event);
            OC_TRY(next_event(r, &event, err));
        }
        OC_TRY(read_node(r, child, &event, depth + 1, err));
    }
cleanup:
    yaml_event_delete(&event);
    return status;
}

/* Fills a node from the event that begins it. */
static oc_status read_node(reader *r, oc_yaml_node *node, const yaml_event_t *event, int depth, oc_error *err) {
    oc_status status = check_event(r, event, err);
    if (status != OC_OK) return status;
    node->line = line_of(event);
    if (event->type == YAML_SCALAR_EVENT) return oc_strdup(&node->text, (const char *)event->data.scalar.value, err);
    if (depth >= DEPTH_LIMIT) return oc_yaml_fail(r->where, node->line, err, "nested too deeply");
    node->kind = event->type == YAML_MAPPING_START_EVENT ? OC_YAML_MAP : OC_YAML_LIST;
    return read_children(r, node, depth, err);
}

/* Reads the stream: at most one document. */
static oc_status read_stream(reader *r, oc_yaml_node **root, oc_error *err) {
    oc_status status = OC_OK;
    yaml_event_t event = {0};
    bool found = false;
    do {
        yaml_event_delete(&event);
        OC_TRY(next_event(r, &event, err));
        switch (event.type) {
        case YAML_STREAM_START_EVENT:
        case YAML_STREAM_END_EVENT:
        case YAML_DOCUMENT_END_EVENT:
            break;
        case YAML_DOCUMENT_START_EVENT:
            if (found) {
                status = oc_yaml_fail(r->where, line_of(&event), err, "a second document: there may be one");
                goto cleanup;
            }
            found = true;
            break;
        default:
            OC_TRY(oc_alloc(root, 1, sizeof **root, err));
            OC_TRY(read_node(r, *root, &event, 0, err));
            break;
        }
    } while (event.type != YAML_STREAM_END_EVENT);
cleanup:
    yaml_event_delete(&event);
    return status;
}

oc_status oc_yaml_parse(oc_yaml_node **root, const char *text, size_t size, const char *where, oc_error *err) {
    reader r = {.text = text, .size = size, .where = where};
    *root = NULL;
    if (!yaml_parser_initialize(&r.parser)) return oc_fail(err, OC_E_MEMORY, where, "out of memory");
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, size);
    oc_status status = read_stream(&r, root, err);
    yaml_parser_delete(&r.parser);
    if (status != OC_OK) oc_yaml_destroy(root);
    return status;
}

static void free_node(oc_yaml_node *node) {
    for (size_t i = 0; i < node->count; i++) free_node(&node->child[i]);
    oc_free(node->child);
    oc_free(node->key);
    oc_free(node->text);
}

void oc_yaml_destroy(oc_yaml_node **root) {
    if (!*root) return;
    free_node(*root);
    oc_free(*root);
    *root = NULL;
}
