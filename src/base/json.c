/* JSON by jansson. */
#include "base/json.h"

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

oc_status oc_json_text(char **out, const json_t *json, oc_error *err) {
    *out = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
    return *out ? OC_OK : oc_fail(err, OC_E_MEMORY, NULL, "cannot write JSON: out of memory, or text not UTF-8");
}
