/* Lists of what differs between a weights file, a model or the members of an ensemble. */
#include "models/difference.h"

#include "base/error.h"

/* Differences of each kind that are named; the others are counted. */
#define SHOWN ((size_t)3)

oc_status oc_difference_begin(oc_difference *list, bool *shown, oc_error *err) {
    *shown = list->count++ < SHOWN;
    return *shown ? oc_text_printf(&list->text, err, "%s", list->count > 1 ? ", " : "") : OC_OK;
}

oc_status oc_difference_add(oc_difference *list, const char *name, oc_error *err) {
    oc_status status = OC_OK;
    bool shown;
    OC_TRY(oc_difference_begin(list, &shown, err));
    if (shown) OC_TRY(oc_text_printf(&list->text, err, "%.100s", name));
cleanup:
    return status;
}

oc_status oc_difference_strangers(oc_difference *list, const oc_names *these, const oc_names *those, oc_error *err) {
    oc_status status = OC_OK;
    oc_names sorted = {0};
    OC_TRY(oc_names_sorted(&sorted, those, err));
    for (size_t i = 0; i < these->count; i++)
        if (oc_names_find_alike(&sorted, these->item[i]) < 0) OC_TRY(oc_difference_add(list, these->item[i], err));
cleanup:
    oc_names_free(&sorted);
    return status;
}

oc_status oc_difference_close(oc_difference *list, oc_text *sentence, oc_error *err) {
    oc_status status = OC_OK;
    if (list->count > 0) {
        OC_TRY(oc_text_printf(sentence, err, "%s%s %s", sentence->size ? "; " : "", list->kind, list->text.data));
        if (list->count > SHOWN) OC_TRY(oc_text_printf(sentence, err, " and %zu more", list->count - SHOWN));
    }
cleanup:
    oc_difference_free(list);
    return status;
}

void oc_difference_free(oc_difference *list) {
    oc_text_free(&list->text);
}
