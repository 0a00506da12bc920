/* The registry: every model that has a name. A new one is a row in the table of its family, a new family a row here and
 * a line in families.h. */
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "models/families.h"
#include "ocelli/models.h"

static const oc_model_entry *const families[] = {oc_myresnets, oc_resnets};

const oc_model_entry *oc_model_entry_at(size_t index) {
    for (size_t f = 0; f < sizeof families / sizeof families[0]; f++)
        for (const oc_model_entry *entry = families[f]; entry->name; entry++)
            if (index-- == 0) return entry;
    return NULL;
}

oc_status oc_model_entry_find(const oc_model_entry **out, const char *name, oc_error *err) {
    oc_status status = OC_OK;
    oc_text valid = {0};
    oc_names names = {0};
    const oc_model_entry *entry;
    *out = NULL;
    for (size_t i = 0; (entry = oc_model_entry_at(i)); i++) {
        if (strcmp(entry->name, name) == 0) {
            *out = entry;
            goto cleanup;
        }
        OC_TRY(oc_names_add(&names, entry->name, err));
        OC_TRY(oc_text_printf(&valid, err, "%s%s", i ? ", " : "", entry->name));
    }
    const char *nearest = oc_text_nearest(name, (const char *const *)names.item, names.count);
    status = oc_fail(err, OC_E_USAGE, "model.name", "no model is called '%.100s'%s%s%s; there are %s", name,
                     nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "", valid.data);
cleanup:
    oc_names_free(&names);
    oc_text_free(&valid);
    return status;
}

size_t oc_models_count(void) {
    size_t count = 0;
    while (oc_model_entry_at(count)) count++;
    return count;
}

const char *oc_models_name(size_t index) {
    const oc_model_entry *entry = oc_model_entry_at(index);
    return entry ? entry->name : NULL;
}

const char *oc_models_summary(size_t index) {
    const oc_model_entry *entry = oc_model_entry_at(index);
    return entry ? entry->summary : NULL;
}
