/* JSON by jansson, with this library's errors. */
#ifndef OC_BASE_JSON_H
#define OC_BASE_JSON_H

#include <jansson.h>

#include "base/text.h"

/* Parses `size` bytes; duplicate keys are refused. `where` names the source in errors. *out is released with
 * json_decref. OC_E_FORMAT with line and column. */
oc_status oc_json_parse(json_t **out, const char *text, size_t size, const char *where, oc_error *err);

/* Reads and parses a file of at most 256 MiB. */
oc_status oc_json_read(json_t **out, const char *path, oc_error *err);

/* Compact text with keys in insertion order, freed with oc_free. */
oc_status oc_json_text(char **out, const json_t *json, oc_error *err);

/* The same with numbers to nine digits, as metrics.csv has them. */
oc_status oc_json_figures(char **out, const json_t *json, oc_error *err);
/* The same over many lines, for people. */
oc_status oc_json_pretty(char **out, const json_t *json, oc_error *err);

/* *out = the names as the text of a JSON list, freed with oc_free; bytes that are not UTF-8 make a name "?". */
oc_status oc_json_names(char **out, const oc_names *names, oc_error *err);

/* Adds `value` to `object` under `key`; takes the reference, also on failure. OC_E_MEMORY. */
oc_status oc_json_put(json_t *object, const char *key, json_t *value, oc_error *err);
/* A number; null for what is none. NULL without memory. */
json_t *oc_json_real(double value);
/* A text that may not be UTF-8, as file names are: then it has '?' for the bytes beyond ASCII. NULL without memory. */
json_t *oc_json_bytes(const char *text);
/* Lists of numbers, and of such texts. NULL without memory. */
json_t *oc_json_floats(const float *values, size_t count);
json_t *oc_json_strings(const oc_names *texts);
/* Adds such a text. OC_E_MEMORY. */
oc_status oc_json_put_bytes(json_t *object, const char *key, const char *text, oc_error *err);
/* Adds to the whole number under `key`, 0 where it is absent. OC_E_MEMORY. */
oc_status oc_json_count(json_t *object, const char *key, int64_t more, oc_error *err);
oc_status oc_json_no_memory(oc_error *err);

#endif
