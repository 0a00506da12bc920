/* What of a data set was read and what not, as JSON. */
#include "data/left_out.h"

#include "base/error.h"
#include "ocelli/data.h"

/* What was found in a split and is no sample: its number, by reason and by class, and the first that one would have
 * expected to be an image. */
static oc_status left_out_json(json_t **out, const oc_dataset *dataset, const oc_split *split, oc_error *err) {
    json_t *object = json_object(), *reasons = json_object(), *classes = json_object();
    oc_status status;
    OC_TRY(oc_json_put(object, "count", json_integer(oc_split_left_out(split, true)), err));
    OC_TRY(oc_json_put(object, "all", json_integer(oc_split_left_out(split, false)), err));
    for (size_t i = 0; i < split->left_outs; i++) {
        const oc_left_out *l = &split->left_out[i];
        const oc_unread_reason *reason = &oc_unread_reasons[l->why];
        OC_TRY(oc_json_count(reasons, reason->text, l->count, err));
        if (l->label >= 0) OC_TRY(oc_json_count(classes, oc_dataset_class(dataset, (size_t)l->label), l->count, err));
        if (!reason->expected || json_object_get(object, "first")) continue;
        OC_TRY(oc_json_put_bytes(object, "first", l->first, err));
        OC_TRY(oc_json_put_bytes(object, "reason", reason->text, err));
    }
    OC_TRY(oc_json_put(object, "reasons", json_incref(reasons), err));
    OC_TRY(oc_json_put(object, "classes", json_incref(classes), err));
    *out = json_incref(object);
cleanup:
    json_decref(object);
    json_decref(reasons);
    json_decref(classes);
    return status;
}

/* Images and what was left out of a split. */
static oc_status split_account(json_t *splits, const oc_dataset *dataset, const oc_split *split, oc_error *err) {
    json_t *object = json_object(), *part = NULL;
    oc_status status;
    OC_TRY(oc_json_put_bytes(object, "folder", split->folder, err));
    OC_TRY(oc_json_put(object, "images", json_integer(split->count), err));
    OC_TRY(left_out_json(&part, dataset, split, err));
    OC_TRY(oc_json_put(object, "left_out", part, err));
    status = oc_json_put(splits, split->name, json_incref(object), err);
cleanup:
    json_decref(object);
    return status;
}

static oc_status classes_account(json_t *root, const oc_dataset *dataset, oc_error *err) {
    json_t *codes = json_array();
    oc_status status;
    for (size_t i = 0; i < oc_dataset_class_count(dataset); i++)
        json_array_append_new(codes, json_string(oc_dataset_class(dataset, i)));
    status = json_array_size(codes) == oc_dataset_class_count(dataset)
                 ? oc_json_put(root, "classes", json_incref(codes), err)
                 : oc_json_no_memory(err);
    json_decref(codes);
    return status;
}

oc_status oc_dataset_account(json_t **out, const oc_dataset *dataset, oc_error *err) {
    json_t *root = json_object(), *splits = json_object(), *part = NULL;
    oc_status status;
    OC_TRY(oc_json_put_bytes(root, "path", oc_dataset_path(dataset), err));
    OC_TRY(classes_account(root, dataset, err));
    for (size_t i = 0; oc_split_names[i]; i++) {
        const oc_split *split = oc_dataset_split(dataset, oc_split_names[i]);
        if (split) OC_TRY(split_account(splits, dataset, split, err));
    }
    OC_TRY(oc_json_put(root, "splits", json_incref(splits), err));
    OC_TRY(left_out_json(&part, dataset, oc_dataset_elsewhere(dataset), err));
    status = oc_json_put(root, "elsewhere", part, err);
    if (status == OC_OK) *out = json_incref(root);
cleanup:
    json_decref(root);
    json_decref(splits);
    return status;
}
