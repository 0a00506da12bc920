/* JSON by jansson. */
#include "base/json.h"

#include <math.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"

#define JSON_FILE_LIMIT ((size_t)256 << 20)

oc_status oc_json_parse(json_t **out, const char *text, size_t size, const char *where, oc_error *err) {
    json_error_t error;
    *out = json_loadb(text ? text : "", size, JSON_REJECT_DUPLICATES, &error);
    if (*out) return OC_OK;
    if (json_error_code(&error) == json_error_out_of_memory)
        return oc_fail(err, OC_E_MEMORY, where, "out of memory for JSON");
    return oc_fail(err, OC_E_FORMAT, where, "not valid JSON: line %d, column %d: %s", error.line, error.column,
                   error.text);
}

oc_status oc_json_read(json_t **out, const char *path, oc_error *err) {
    oc_status status = OC_OK;
    char *text = NULL;
    size_t size = 0;
    *out = NULL;
    OC_TRY(oc_file_read(&text, &size, path, JSON_FILE_LIMIT, err));
    OC_TRY(oc_json_parse(out, text, size, path, err));
cleanup:
    oc_free(text);
    return status;
}

static oc_status dump(char **out, const json_t *json, size_t flags, oc_error *err) {
    *out = json_dumps(json, JSON_ENCODE_ANY | flags);
    return *out ? OC_OK : oc_fail(err, OC_E_MEMORY, NULL, "cannot write JSON: out of memory, or text not UTF-8");
}

oc_status oc_json_text(char **out, const json_t *json, oc_error *err) {
    return dump(out, json, JSON_COMPACT, err);
}

oc_status oc_json_figures(char **out, const json_t *json, oc_error *err) {
    return dump(out, json, JSON_COMPACT | JSON_REAL_PRECISION(9), err);
}

oc_status oc_json_pretty(char **out, const json_t *json, oc_error *err) {
    return dump(out, json, JSON_REAL_PRECISION(9) | JSON_INDENT(2), err);
}

oc_status oc_json_names(char **out, const oc_names *names, oc_error *err) {
    oc_status status = OC_OK;
    json_t *list = json_array();
    for (size_t i = 0; i < names->count; i++) {
        json_t *text = json_string(names->item[i]);
        if (!text) text = json_string("?");
        if (!list || json_array_append_new(list, text) != 0) {
            status = oc_fail(err, OC_E_MEMORY, NULL, "out of memory for a list of names");
            goto cleanup;
        }
    }
    OC_TRY(oc_json_text(out, list, err));
cleanup:
    json_decref(list);
    return status;
}

oc_status oc_json_no_memory(oc_error *err) {
    return oc_fail(err, OC_E_MEMORY, NULL, "no memory for JSON");
}

oc_status oc_json_put(json_t *object, const char *key, json_t *value, oc_error *err) {
    return json_object_set_new(object, key, value) == 0 ? OC_OK : oc_json_no_memory(err);
}

json_t *oc_json_real(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *oc_json_bytes(const char *text) {
    char *clean = NULL;
    json_t *value = json_string(text);
    if (value || oc_strdup(&clean, text, NULL) != OC_OK) return value;
    for (char *c = clean; *c; c++)
        if ((unsigned char)*c > 126) *c = '?';
    value = json_string(clean);
    oc_free(clean);
    return value;
}

/* Appends a value, whose reference it takes; false without memory, also for the list. */
static bool list_append(json_t *list, json_t *value) {
    return json_array_append_new(list, value) == 0;
}

/* The list, unless it lacks something. */
static json_t *list_end(json_t *list, bool whole) {
    if (whole) return list;
    json_decref(list);
    return NULL;
}

json_t *oc_json_floats(const float *values, size_t count) {
    json_t *list = json_array();
    bool whole = list != NULL;
    for (size_t i = 0; i < count; i++) whole = list_append(list, json_real((double)values[i])) && whole;
    return list_end(list, whole);
}

json_t *oc_json_strings(const oc_names *texts) {
    json_t *list = json_array();
    bool whole = list != NULL;
    for (size_t i = 0; i < texts->count; i++) whole = list_append(list, oc_json_bytes(texts->item[i])) && whole;
    return list_end(list, whole);
}

oc_status oc_json_put_bytes(json_t *object, const char *key, const char *text, oc_error *err) {
    return oc_json_put(object, key, oc_json_bytes(text), err);
}

oc_status oc_json_count(json_t *object, const char *key, int64_t more, oc_error *err) {
    const json_int_t count = json_integer_value(json_object_get(object, key));
    return oc_json_put(object, key, json_integer(count + more), err);
}
