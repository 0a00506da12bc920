/* The part of YAML that recipes and studies are written in, as a tree that knows its lines: mappings, lists and plain
 * texts. Anchors, aliases, tags and further documents are refused. */
#ifndef OC_RECIPE_YAML_H
#define OC_RECIPE_YAML_H

#include "ocelli/base.h"

#define OC_YAML_LIMIT ((size_t)1 << 20) /* bytes of a file; recipes and studies are a few kilobytes */

typedef enum oc_yaml_kind { OC_YAML_TEXT, OC_YAML_MAP, OC_YAML_LIST } oc_yaml_kind;

typedef struct oc_yaml_node oc_yaml_node;
struct oc_yaml_node {
    oc_yaml_kind kind;
    size_t line;         /* where it begins, from 1 */
    char *key;           /* its key in a mapping, else NULL */
    size_t key_line;     /* and where that stands */
    char *text;          /* TEXT: its value, "" where nothing is written */
    oc_yaml_node *child; /* MAP and LIST: in the order of the file; keys may occur twice */
    size_t count, capacity;
};

/* Parses `size` bytes. *root = the document, NULL when there is none; freed with oc_yaml_destroy. `where` names the
 * text in errors. OC_E_USAGE with "file:line". */
oc_status oc_yaml_parse(oc_yaml_node **root, const char *text, size_t size, const char *where, oc_error *err);
void oc_yaml_destroy(oc_yaml_node **root);

/* Fails with OC_E_USAGE at a line (from 1) of the file `where`. */
oc_status oc_yaml_fail(const char *where, size_t line, oc_error *err, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
