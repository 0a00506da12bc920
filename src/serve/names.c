/* Names of classes from what lies beside a weights file. */
#include "serve/names.h"

#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"

/* The evaluation beside a weights file, or NULL: it need not be there, and names are no reason to fail. */
static json_t *read_beside(const char *weights) {
    char *folder = NULL, *path = NULL;
    json_t *json = NULL;
    if (!weights || oc_strdup(&folder, weights, NULL) != OC_OK) return NULL;
    char *slash = strrchr(folder, '/');
    if (slash) *slash = '\0';
    if (oc_path_join(&path, slash ? (*folder ? folder : "/") : ".", "evaluation.json", NULL) == OC_OK &&
        oc_path_exists(path))
        oc_json_read(&json, path, NULL);
    oc_free(folder);
    oc_free(path);
    return json;
}

/* The name of a class, or its code. */
static const char *name_of(const char *code, const json_t *classes, const json_t *names) {
    const size_t count = json_array_size(classes);
    for (size_t i = 0; i < count; i++) {
        const char *listed = json_string_value(json_array_get(classes, i));
        const char *name = json_string_value(json_array_get(names, i));
        if (listed && name && strcmp(listed, code) == 0) return name;
    }
    return code;
}

oc_status oc_serve_names(oc_names *out, const oc_model *model, oc_error *err) {
    oc_status status = OC_OK;
    json_t *json = read_beside(model->path);
    const json_t *evaluation = json_object_get(json, "evaluation");
    const json_t *classes = json_object_get(evaluation, "classes"), *names = json_object_get(evaluation, "class_names");
    for (size_t i = 0; i < model->classes.count; i++)
        OC_TRY(oc_names_add(out, name_of(model->classes.item[i], classes, names), err));
cleanup:
    json_decref(json);
    return status;
}
