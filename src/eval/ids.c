/* Choosing among the forms by trying them. */
#include "eval/ids.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"

oc_status oc_id_add(oc_names *ids, oc_id_form form, const char *split, const char *in_split, oc_error *err) {
    const char *slash = strrchr(in_split, '/');
    oc_text text = {0};
    oc_status status;
    if (form != OC_ID_SPLIT_PATH) return oc_names_add(ids, form == OC_ID_NAME && slash ? slash + 1 : in_split, err);
    OC_TRY(oc_text_printf(&text, err, "%s/%s", split, in_split));
    status = oc_names_add(ids, text.data, err);
cleanup:
    oc_text_free(&text);
    return status;
}

/* Whether the form tells the images apart. */
static oc_status tells_apart(bool *out, oc_id_form form, const oc_dataset *dataset, const char *const *splits,
                             size_t count, oc_error *err) {
    oc_names ids = {0};
    oc_status status = OC_OK;
    *out = true;
    for (size_t s = 0; s < count; s++) {
        const oc_split *split = oc_dataset_split(dataset, splits[s]);
        for (int64_t i = 0; i < split->count; i++)
            OC_TRY(oc_id_add(&ids, form, splits[s], split->sample[i].in_split, err));
    }
    oc_names_sort(&ids);
    for (size_t i = 1; i < ids.count && *out; i++) *out = strcmp(ids.item[i - 1], ids.item[i]) != 0;
cleanup:
    oc_names_free(&ids);
    return status;
}

oc_status oc_id_form_choose(oc_id_form *out, const oc_dataset *dataset, const char *const *splits, size_t count,
                            const oc_log *log, oc_error *err) {
    static const char *const what[] = {
        [OC_ID_PATH] = "path in its split", [OC_ID_SPLIT_PATH] = "split and path, since paths are in several splits"};
    bool apart = false;
    oc_status status = OC_OK;
    for (*out = OC_ID_NAME; *out < OC_ID_SPLIT_PATH; ++*out) {
        OC_TRY(tells_apart(&apart, *out, dataset, splits, count, err));
        if (apart) break;
    }
    if (*out != OC_ID_NAME)
        oc_log_line(log, OC_LOG_INFO, "%s: file names are not unique, so an image is named by its %s",
                    oc_dataset_path(dataset), what[*out]);
cleanup:
    return status;
}
