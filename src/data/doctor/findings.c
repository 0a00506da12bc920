/* The table of findings, and their JSON. Adding one is a rule and a row. */
#include "data/doctor/findings.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "ocelli/data.h"

/* In the order in which they are told: the gravest first. */
static const oc_finding_kind kinds[] = {
    {"broken", "serious", "files that cannot be read to the end",
     "get them again or remove them; --skip-bad trains without them", .of_image = oc_rule_broken},
    {"no-image", "serious", "files that are called like images and are none", "remove them",
     .of_image = oc_rule_no_image},
    {"leak", "serious", "pictures that lie in several splits",
     "keep each in one split: what is measured on them is memory", .of_group = oc_rule_leak},
    {"near-leak", "serious", "pictures of which copies lie in several splits, saved again, resized or the like",
     "look at them, and keep each picture in one split: what is measured on them is memory",
     .of_group = oc_rule_near_leak},
    {"two-classes", "serious", "pictures that lie in several classes", "keep each in the class that is right",
     .of_group = oc_rule_two_classes},
    {"near-two-classes", "serious", "pictures of which copies lie in several classes, saved again, resized or the like",
     "look at them, and keep each picture in the class that is right", .of_group = oc_rule_near_two_classes},
    {"class-names", "serious", "classes whose names differ by case, spaces, - or _ alone",
     "if they are one class, put their images into one folder", .of_all = oc_rule_class_names},
    {"grey-below", "warning", "images that end in even grey, as files do that were cut short and saved again",
     "look at them; get them again or remove them", .of_image = oc_rule_grey_below},
    {"flat", "warning", "images of next to one colour",
     "look whether something went wrong with them; they are not compared", .of_image = oc_rule_flat},
    {"copies", "warning", "pictures that a class of a split has more than once",
     "keep one of each: it counts for several", .of_group = oc_rule_copies},
    {"near-copies", "warning", "pictures that a class of a split has more than once, saved again, resized or the like",
     "look at them, and keep one of each: it counts for several", .of_group = oc_rule_near_copies},
    {"mirrored", "warning", "pictures whose mirror images lie in another split",
     "look at them: training with data.augment mirrors images, and then has seen them", .of_group = oc_rule_mirrored,
     .mirror = true},
    {"class-missing", "warning", "classes without an image in a split",
     "add some: nothing is learned or measured of them", .of_all = oc_rule_class_missing},
    {"class-few", "warning", "classes with few images to train on", "add some, or leave the class out",
     .of_all = oc_rule_class_few},
    {"imbalance", "warning", "classes of very different numbers of images",
     "even them out, or judge by eval's figures of each class rather than by top-1", .of_all = oc_rule_imbalance},
    {"not-read", "warning", "files where images are expected that are not read", "convert, move or remove them",
     .of_all = oc_rule_not_read},
    {"long", "warning", "images of extreme shapes", "crop them, or see them whole with --set data.fit=letterbox",
     .of_image = oc_rule_long},
    {"small", "note", "images smaller than the input size, which are enlarged", "a smaller --size may do as well",
     .of_image = oc_rule_small},
    {"size", "note", "images far larger or smaller than the others", "look whether they belong here",
     .of_image = oc_rule_size},
    {"ending", "note", "files whose names say another format than they are", "rename them; Ocelli goes by the content",
     .of_image = oc_rule_ending},
    {"colour", "note", "images of a colour mode that few have", "look whether it tells the class; all are read as RGB",
     .of_image = oc_rule_colour},
    {"beside", "note", "files beside the images that are none", "nothing: they are passed over",
     .of_all = oc_rule_beside},
};
#define KINDS (sizeof kinds / sizeof *kinds)

/* ---- Items ---- */

/* Adds {"why", key: list} and, if not NULL, the split. Takes the reference to the list. */
static oc_status item_add(oc_finding *f, const char *key, json_t *list, const char *split, int64_t count,
                          const char *why, oc_error *err) {
    json_t *item = json_object();
    oc_status status;
    OC_TRY(oc_json_put(item, key, json_incref(list), err));
    if (split) OC_TRY(oc_json_put(item, "split", json_string(split), err));
    OC_TRY(oc_json_put_bytes(item, "why", why, err));
    if (json_array_append(f->items, item) != 0) {
        status = oc_json_no_memory(err);
        goto cleanup;
    }
    f->count += count;
cleanup:
    json_decref(list);
    json_decref(item);
    return status;
}

/* Appends {"path", "split", "class"}, and, where it is not negative, "picture". */
static oc_status file_append(json_t *files, const oc_dataset *dataset, const char *path, const char *split,
                             int32_t label, int64_t picture, oc_error *err) {
    json_t *file = json_object();
    oc_status status;
    OC_TRY(oc_json_put_bytes(file, "path", path, err));
    OC_TRY(oc_json_put(file, "split", split ? json_string(split) : json_null(), err));
    const char *code = label >= 0 ? oc_dataset_class(dataset, (size_t)label) : NULL;
    OC_TRY(oc_json_put(file, "class", code ? json_string(code) : json_null(), err));
    if (picture >= 0) OC_TRY(oc_json_put(file, "picture", json_integer(picture), err));
    if (json_array_append(files, file) != 0) status = oc_json_no_memory(err);
cleanup:
    json_decref(file);
    return status;
}

static oc_status image_append(json_t *files, oc_finding *f, size_t i, int64_t picture, oc_error *err) {
    const oc_sample *sample = oc_examination_sample(f->e, i);
    const int split = f->e->picture[i].split;
    f->images[split]++;
    return file_append(files, f->e->dataset, sample->path, f->e->split[split]->name, sample->label, picture, err);
}

oc_status oc_finding_add_image(oc_finding *f, size_t i, const char *why, oc_error *err) {
    json_t *files = json_array();
    oc_status status;
    OC_TRY(image_append(files, f, i, -1, err));
    status = item_add(f, "files", json_incref(files), NULL, 1, why, err);
cleanup:
    json_decref(files);
    return status;
}

/* Place of an image among the members, which are ascending. */
static size_t place_of(const uint32_t *member, size_t count, uint32_t image) {
    size_t low = 0, high = count;
    while (high - low > 1) {
        const size_t middle = (low + high) / 2;
        if (member[middle] <= image)
            low = middle;
        else
            high = middle;
    }
    return low;
}

oc_status oc_finding_add_group(oc_finding *f, const uint32_t *member, size_t count, const char *why, oc_error *err) {
    json_t *files = json_array();
    int64_t *number = NULL, pictures = 0;
    oc_status status;
    OC_TRY(oc_alloc(&number, count, sizeof *number, err));
    for (size_t k = 0; k < count; k++) {
        const uint32_t first = f->e->groups.same[member[k]];
        number[k] = first == member[k] ? pictures++ : number[place_of(member, count, first)];
        OC_TRY(image_append(files, f, member[k], number[k], err));
    }
    status = item_add(f, "files", json_incref(files), NULL, 1, why, err);
cleanup:
    oc_free(number);
    json_decref(files);
    return status;
}

oc_status oc_finding_add_classes(oc_finding *f, json_t *classes, const char *split, const char *why, oc_error *err) {
    return item_add(f, "classes", classes, split, 1, why, err);
}

oc_status oc_finding_add_files(oc_finding *f, const char *split, int32_t label, const char *first, int64_t count,
                               const char *why, oc_error *err) {
    json_t *files = json_array();
    oc_status status;
    OC_TRY(file_append(files, f->e->dataset, first, split, label, -1, err));
    status = item_add(f, "files", json_incref(files), NULL, count, why, err);
cleanup:
    json_decref(files);
    return status;
}

/* ---- Findings ---- */

static oc_status images_find(oc_finding *f, const oc_finding_kind *kind, oc_error *err) {
    oc_status status = OC_OK;
    for (size_t i = 0; i < f->e->count; i++) {
        char why[OC_WHY_SIZE] = "";
        if (kind->of_image(f->e, i, why)) OC_TRY(oc_finding_add_image(f, i, why, err));
    }
cleanup:
    return status;
}

/* The members of each group of several, ascending, one group after the other by its first. */
static oc_status groups_find(oc_finding *f, const oc_finding_kind *kind, oc_error *err) {
    const uint32_t *root = kind->mirror ? f->e->groups.mirror : f->e->groups.group;
    const size_t count = f->e->count;
    uint32_t *end = NULL, *member = NULL;
    oc_status status;
    OC_TRY(oc_alloc(&end, count + 1, sizeof *end, err));
    OC_TRY(oc_alloc(&member, count, sizeof *member, err));
    for (size_t i = 0; i < count; i++) end[root[i] + 1]++;
    for (size_t i = 0; i < count; i++) end[i + 1] += end[i];
    for (size_t i = 0; i < count; i++)
        member[end[root[i]]++] = (uint32_t)i; /* then a group's end is the next's begin */
    for (size_t i = 0, begin = 0; i < count; begin = end[i++]) {
        const size_t members = end[i] - begin;
        if (members > 1 && kind->of_group(f->e, member + begin, members))
            OC_TRY(oc_finding_add_group(f, member + begin, members, "", err));
    }
cleanup:
    oc_free(member);
    oc_free(end);
    return status;
}

static oc_status kind_find(oc_finding *f, const oc_finding_kind *kind, oc_error *err) {
    return kind->of_image   ? images_find(f, kind, err)
           : kind->of_group ? groups_find(f, kind, err)
                            : kind->of_all(f, err);
}

static oc_status finding_json(json_t **out, const oc_finding *f, const oc_finding_kind *kind, oc_error *err) {
    json_t *object = json_object(), *images = json_object();
    oc_status status;
    OC_TRY(oc_json_put(object, "kind", json_string(kind->key), err));
    OC_TRY(oc_json_put(object, "severity", json_string(kind->severity), err));
    OC_TRY(oc_json_put(object, "title", json_string(kind->title), err));
    OC_TRY(oc_json_put(object, "advice", json_string(kind->advice), err));
    OC_TRY(oc_json_put(object, "count", json_integer(f->count), err));
    for (int s = 0; s < f->e->splits; s++)
        if (f->images[s] > 0) OC_TRY(oc_json_put(images, f->e->split[s]->name, json_integer(f->images[s]), err));
    OC_TRY(oc_json_put(object, "images", json_incref(images), err));
    status = oc_json_put(object, "items", json_incref(f->items), err);
    if (status == OC_OK) *out = json_incref(object);
cleanup:
    json_decref(images);
    json_decref(object);
    return status;
}

oc_status oc_findings_put(json_t *root, const oc_examination *e, oc_error *err) {
    json_t *findings = json_array(), *one = NULL;
    oc_finding f = {0};
    oc_status status;
    for (const char *const *severity = (const char *const[]){"serious", "warning", "note", NULL}; *severity; severity++)
        OC_TRY(oc_json_put(root, *severity, json_integer(0), err));
    for (size_t k = 0; k < KINDS; k++) {
        f = (oc_finding){.e = e, .items = json_array()};
        OC_TRY(kind_find(&f, &kinds[k], err));
        if (f.count > 0) {
            OC_TRY(finding_json(&one, &f, &kinds[k], err));
            if (json_array_append_new(findings, one) != 0) {
                status = oc_json_no_memory(err);
                goto cleanup;
            }
            OC_TRY(oc_json_count(root, kinds[k].severity, f.count, err));
        }
        json_decref(f.items);
        f.items = NULL;
    }
    status = oc_json_put(root, "findings", json_incref(findings), err);
cleanup:
    json_decref(f.items);
    json_decref(findings);
    return status;
}
