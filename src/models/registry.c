/* The registry: every model that has a name. A new one is a row here, and a line in families.h. */
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "models/families.h"
#include "ocelli/models.h"

const oc_model_entry *const oc_model_entries[] = {
    &oc_myresnet_small,
    &oc_myresnet_base,
    NULL,
};

#define ENTRY_COUNT (sizeof oc_model_entries / sizeof oc_model_entries[0] - 1)

oc_status oc_model_entry_find(const oc_model_entry **out, const char *name, oc_error *err) {
    oc_status status = OC_OK;
    oc_text valid = {0};
    const char *names[ENTRY_COUNT];
    *out = NULL;
    for (size_t i = 0; i < ENTRY_COUNT; i++) {
        names[i] = oc_model_entries[i]->name;
        if (strcmp(names[i], name) == 0) {
            *out = oc_model_entries[i];
            return OC_OK;
        }
    }
    for (size_t i = 0; i < ENTRY_COUNT; i++) OC_TRY(oc_text_printf(&valid, err, "%s%s", i ? ", " : "", names[i]));
    const char *nearest = oc_text_nearest(name, names, ENTRY_COUNT);
    status = oc_fail(err, OC_E_USAGE, "model.name", "no model is called '%.100s'%s%s%s; there are %s", name,
                     nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "", valid.data);
cleanup:
    oc_text_free(&valid);
    return status;
}

size_t oc_models_count(void) {
    return ENTRY_COUNT;
}

const char *oc_models_name(size_t index) {
    return index < ENTRY_COUNT ? oc_model_entries[index]->name : NULL;
}

const char *oc_models_summary(size_t index) {
    return index < ENTRY_COUNT ? oc_model_entries[index]->summary : NULL;
}
