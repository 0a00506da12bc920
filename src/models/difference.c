/* Lists of what differs between a weights file, a model or the members of an ensemble. */
#include "models/difference.h"

#include "base/error.h"

oc_status oc_difference_strangers(oc_difference *difference, const oc_names *these, const oc_names *those,
                                  oc_error *err) {
    oc_status status = OC_OK;
    oc_names sorted = {0};
    OC_TRY(oc_names_sorted(&sorted, those, err));
    for (size_t i = 0; i < these->count; i++)
        if (oc_names_find_alike(&sorted, these->item[i]) < 0)
            OC_TRY(oc_text_list_add(&difference->list, err, "%.100s", these->item[i]));
cleanup:
    oc_names_free(&sorted);
    return status;
}

oc_status oc_difference_close(oc_difference *difference, oc_text *sentence, oc_error *err) {
    oc_status status = OC_OK;
    if (difference->list.count > 0) {
        OC_TRY(oc_text_list_close(&difference->list, err));
        OC_TRY(oc_text_printf(sentence, err, "%s%s %s", sentence->size ? "; " : "", difference->kind,
                              difference->list.text.data));
    }
cleanup:
    oc_difference_free(difference);
    return status;
}

void oc_difference_free(oc_difference *difference) {
    oc_text_list_free(&difference->list);
}
