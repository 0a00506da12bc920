/* The rules of findings that look at classes and at what was not read; and how even the classes are. */
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/doctor/findings.h"
#include "ocelli/data.h"

#define FEW 20         /* images to train on */
#define UNEVEN_RATIO 3 /* of the largest to the smallest class */

/* ---- Names ---- */

typedef struct key_at {
    char *key;
    size_t class;
} key_at;

static bool is_separator(char c) {
    return isspace((unsigned char)c) || c == '-' || c == '_';
}

/* What remains of a name in small letters (of ASCII) without spaces, - and _; but those between two digits stay, as 2-1
 * is not 21. In place. */
static void key_make(char *name) {
    char *out = name;
    for (const char *c = name; *c; c++) {
        const char *next = c;
        if (!is_separator(*c)) {
            *out++ = (char)tolower((unsigned char)*c);
            continue;
        }
        while (is_separator(*next)) next++;
        if (out > name && isdigit((unsigned char)out[-1]) && isdigit((unsigned char)*next)) *out++ = '_';
        c = next - 1;
    }
    *out = '\0';
}

static int compare_keys(const void *a, const void *b) {
    const key_at *x = a, *y = b;
    const int order = strcmp(x->key, y->key);
    return order ? order : (x->class > y->class) - (x->class < y->class);
}

static oc_status code_append(json_t *list, const oc_examination *e, size_t class, oc_error *err) {
    return json_array_append_new(list, json_string(oc_dataset_class(e->dataset, class))) == 0 ? OC_OK
                                                                                              : oc_json_no_memory(err);
}

oc_status oc_rule_class_names(oc_finding *f, oc_error *err) {
    const size_t count = oc_dataset_class_count(f->e->dataset);
    key_at *list = NULL;
    json_t *alike = NULL;
    oc_status status;
    OC_TRY(oc_alloc(&list, count, sizeof *list, err));
    for (size_t c = 0; c < count; c++) {
        list[c].class = c;
        OC_TRY(oc_strdup(&list[c].key, oc_dataset_class(f->e->dataset, c), err));
        key_make(list[c].key);
    }
    qsort(list, count, sizeof *list, compare_keys);
    for (size_t begin = 0, end; begin < count; begin = end) {
        for (end = begin + 1; end < count && strcmp(list[end].key, list[begin].key) == 0;) end++;
        if (end - begin < 2) continue;
        alike = json_array();
        for (size_t k = begin; k < end; k++) OC_TRY(code_append(alike, f->e, list[k].class, err));
        OC_TRY(oc_finding_add_classes(f, json_incref(alike), NULL, "", err));
        json_decref(alike);
        alike = NULL;
    }
cleanup:
    json_decref(alike);
    for (size_t c = 0; list && c < count; c++) oc_free(list[c].key);
    oc_free(list);
    return status;
}

/* ---- Numbers of images ---- */

/* Whether the images of a split have classes. */
static bool has_classes(const oc_split *split) {
    return split->count > 0 && split->sample[0].label >= 0;
}

/* Adds each class of a split that has at least `least` and fewer than `below` images. */
static oc_status counted_find(oc_finding *f, int split, int64_t least, int64_t below, oc_error *err) {
    const size_t classes = oc_dataset_class_count(f->e->dataset);
    int64_t *count = NULL;
    json_t *code = NULL;
    oc_status status;
    OC_TRY(oc_alloc(&count, classes, sizeof *count, err));
    oc_examination_classes(f->e, split, count);
    for (size_t c = 0; c < classes; c++) {
        char why[OC_WHY_SIZE] = "";
        if (count[c] < least || count[c] >= below) continue;
        if (count[c] > 0) snprintf(why, sizeof why, "%" PRId64 " image%s", count[c], count[c] > 1 ? "s" : "");
        code = json_array();
        OC_TRY(code_append(code, f->e, c, err));
        OC_TRY(oc_finding_add_classes(f, json_incref(code), f->e->split[split]->name, why, err));
        json_decref(code);
        code = NULL;
    }
cleanup:
    json_decref(code);
    oc_free(count);
    return status;
}

oc_status oc_rule_class_missing(oc_finding *f, oc_error *err) {
    oc_status status = OC_OK;
    for (int s = 0; s < f->e->splits; s++)
        if (has_classes(f->e->split[s])) OC_TRY(counted_find(f, s, 0, 1, err));
cleanup:
    return status;
}

static bool is_train(const oc_split *split) {
    return strcmp(split->name, "train") == 0;
}

oc_status oc_rule_class_few(oc_finding *f, oc_error *err) {
    oc_status status = OC_OK;
    for (int s = 0; s < f->e->splits; s++)
        if (is_train(f->e->split[s])) OC_TRY(counted_find(f, s, 1, FEW, err));
cleanup:
    return status;
}

/* How images are spread over classes. */
typedef struct balance {
    size_t least, most; /* classes */
    int64_t least_count, most_count;
    double effective; /* classes: the exponential of the entropy of the shares (Hill: "Diversity and Evenness", 1973) */
} balance;

static oc_status balance_find(balance *b, const oc_examination *e, int split, oc_error *err) {
    const size_t classes = oc_dataset_class_count(e->dataset);
    const double all = (double)e->split[split]->count;
    int64_t *count = NULL;
    double entropy = 0;
    oc_status status;
    *b = (balance){0};
    OC_TRY(oc_alloc(&count, classes, sizeof *count, err));
    oc_examination_classes(e, split, count);
    for (size_t c = 0; c < classes; c++) {
        if (count[c] < count[b->least]) b->least = c;
        if (count[c] > count[b->most]) b->most = c;
        if (count[c] > 0) entropy -= (double)count[c] / all * log((double)count[c] / all);
    }
    b->least_count = count[b->least];
    b->most_count = count[b->most];
    b->effective = exp(entropy);
cleanup:
    oc_free(count);
    return status;
}

oc_status oc_rule_imbalance(oc_finding *f, oc_error *err) {
    json_t *codes = json_array();
    oc_status status = OC_OK;
    for (int s = 0; s < f->e->splits; s++) {
        char why[OC_WHY_SIZE];
        balance b;
        if (!is_train(f->e->split[s]) || !has_classes(f->e->split[s])) continue;
        OC_TRY(balance_find(&b, f->e, s, err));
        if (b.most_count < UNEVEN_RATIO * b.least_count || b.least == b.most) continue;
        OC_TRY(code_append(codes, f->e, b.least, err));
        OC_TRY(code_append(codes, f->e, b.most, err));
        snprintf(why, sizeof why, "%" PRId64 " and %" PRId64 " images; as even as %.1f classes of equal numbers",
                 b.least_count, b.most_count, b.effective);
        OC_TRY(oc_finding_add_classes(f, json_incref(codes), f->e->split[s]->name, why, err));
    }
cleanup:
    json_decref(codes);
    return status;
}

static oc_status end_put(json_t *of, const char *key, const oc_examination *e, size_t class, int64_t count,
                         oc_error *err) {
    json_t *end = json_object();
    oc_status status;
    OC_TRY(oc_json_put(end, "class", json_string(oc_dataset_class(e->dataset, class)), err));
    OC_TRY(oc_json_put(end, "images", json_integer(count), err));
    status = oc_json_put(of, key, json_incref(end), err);
cleanup:
    json_decref(end);
    return status;
}

oc_status oc_balance_put(json_t *root, const oc_examination *e, oc_error *err) {
    json_t *object = json_object(), *of = NULL;
    oc_status status = OC_OK;
    for (int s = 0; s < e->splits; s++) {
        balance b;
        if (!has_classes(e->split[s])) continue;
        OC_TRY(balance_find(&b, e, s, err));
        of = json_object();
        OC_TRY(end_put(of, "least", e, b.least, b.least_count, err));
        OC_TRY(end_put(of, "most", e, b.most, b.most_count, err));
        OC_TRY(oc_json_put(of, "effective_classes", oc_json_real(b.effective), err));
        OC_TRY(oc_json_put(object, e->split[s]->name, json_incref(of), err));
        json_decref(of);
        of = NULL;
    }
    status = oc_json_put(root, "balance", json_incref(object), err);
cleanup:
    json_decref(of);
    json_decref(object);
    return status;
}

/* ---- What was not read ---- */

/* Adds what was left out of a split where one would have expected images, or where not. */
static oc_status left_out_find(oc_finding *f, const oc_split *split, const char *name, bool expected, oc_error *err) {
    oc_status status = OC_OK;
    for (size_t i = 0; i < split->left_outs; i++) {
        const oc_left_out *l = &split->left_out[i];
        const oc_unread_reason *reason = &oc_unread_reasons[l->why];
        char why[OC_WHY_SIZE];
        if (reason->expected != expected) continue;
        if (l->count > 1)
            snprintf(why, sizeof why, "and %" PRId64 " like it: %s", l->count - 1, reason->text);
        else
            snprintf(why, sizeof why, "%s", reason->text);
        OC_TRY(oc_finding_add_files(f, name, l->label, l->first, l->count, why, err));
    }
cleanup:
    return status;
}

static oc_status all_left_out_find(oc_finding *f, bool expected, oc_error *err) {
    oc_status status = OC_OK;
    for (int s = 0; s < f->e->splits; s++)
        OC_TRY(left_out_find(f, f->e->split[s], f->e->split[s]->name, expected, err));
    status = left_out_find(f, oc_dataset_elsewhere(f->e->dataset), NULL, expected, err);
cleanup:
    return status;
}

oc_status oc_rule_not_read(oc_finding *f, oc_error *err) {
    return all_left_out_find(f, true, err);
}

oc_status oc_rule_beside(oc_finding *f, oc_error *err) {
    return all_left_out_find(f, false, err);
}
