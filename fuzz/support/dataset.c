/* Checks of a data set as a whole. */
#include "support/dataset.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "data/left_out.h"
#include "ocelli/data.h"

#define READ_MOST 4 /* files at a split's beginning, and as many at its end */

oc_dataset *fuzz_dataset_open(const char *path, const oc_dataset_options *options) {
    oc_dataset *dataset = NULL;
    oc_error error = {0};
    const oc_status status = oc_dataset_open(&dataset, path, options, &error);
    if ((status == OC_OK) != (dataset != NULL)) abort();
    if (status != OC_OK && (error.status != status || !error.message[0])) abort();
    return dataset;
}

static void classes_check(const oc_dataset *dataset) {
    for (size_t i = 0; i < oc_dataset_class_count(dataset); i++) {
        const char *code = oc_dataset_class(dataset, i);
        if (i > 0 && strcmp(oc_dataset_class(dataset, i - 1), code) >= 0) abort();
        if (!*code || !*oc_dataset_class_name(dataset, code)) abort();
    }
}

static bool is_end(const char *end, const char *text) {
    const size_t size = strlen(text), length = strlen(end);
    return length > 0 && length <= size && strcmp(text + size - length, end) == 0;
}

static void sample_read(const oc_dataset *dataset, const oc_sample *sample) {
    uint8_t *data = NULL;
    volatile uint8_t sum = 0; /* so that every byte is looked at */
    size_t size = 0;
    oc_error error = {0};
    const oc_status status = oc_dataset_read(dataset, sample, &data, &size, &error);
    if (status != OC_OK && (data || error.status != status || !error.message[0])) abort();
    for (size_t i = 0; status == OC_OK && i < size; i++) sum = sum ^ data[i];
    oc_free(data);
}

static void samples_check(const oc_dataset *dataset, const oc_split *split) {
    for (int64_t i = 0; i < split->count; i++) {
        const oc_sample *s = &split->sample[i], *before = i > 0 ? s - 1 : NULL;
        if (s->label < -1 || s->label >= (int64_t)oc_dataset_class_count(dataset)) abort();
        if (before && (before->label > s->label || (before->label < 0) != (s->label < 0))) abort();
        if (before && before->label == s->label && strcmp(before->in_class, s->in_class) > 0) abort();
        if (!is_end(s->in_split, s->path) || !is_end(s->in_class, s->path) || !is_end(s->name, s->path)) abort();
        if (i < READ_MOST || i >= split->count - READ_MOST) sample_read(dataset, s);
    }
}

/* What the account says of one split, or of what lies elsewhere. */
static int64_t json_found(const json_t *object, const json_t *left_out) {
    int64_t sum = 0;
    const char *reason;
    json_t *count;
    json_object_foreach(json_object_get(left_out, "reasons"), reason, count) sum += json_integer_value(count);
    if (sum != json_integer_value(json_object_get(left_out, "all"))) abort();
    if (json_integer_value(json_object_get(left_out, "count")) > sum) abort();
    return json_integer_value(json_object_get(object, "images")) + sum;
}

static int64_t account_found(const oc_dataset *dataset) {
    json_t *root = NULL, *split;
    const char *name;
    if (oc_dataset_account(&root, dataset, NULL) != OC_OK) abort();
    int64_t found = json_found(NULL, json_object_get(root, "elsewhere"));
    json_object_foreach(json_object_get(root, "splits"), name, split) found +=
        json_found(split, json_object_get(split, "left_out"));
    json_decref(root);
    return found;
}

static void on_log(void *user, oc_log_level level, const char *line) {
    (void)user, (void)level;
    if (!*line || strchr(line, '\n')) abort();
}

int64_t fuzz_dataset_walk(const oc_dataset *dataset) {
    const oc_split *elsewhere = oc_dataset_elsewhere(dataset);
    int64_t found = oc_split_left_out(elsewhere, false);
    classes_check(dataset);
    for (int i = 0; oc_split_names[i]; i++) {
        const oc_split *split = oc_dataset_split(dataset, oc_split_names[i]);
        if (!split) continue;
        samples_check(dataset, split);
        oc_dataset_report(dataset, split, &(oc_log){on_log, NULL});
        found += split->count + oc_split_left_out(split, false);
    }
    if (elsewhere->count != 0 || account_found(dataset) != found) abort();
    return found;
}
