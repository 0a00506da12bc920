/* What is wrong with a data set: looks at every image, finds which are of one picture, and has the findings made. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/doctor/examination.h"
#include "data/image/format.h"
#include "data/look.h"
#include "ocelli/data.h"

#define DEFAULT_SIZE 64 /* of inputs */
#define GREY 128        /* what a JPEG's decoder makes of blocks that are missing */
#define GREY_TOLERANCE 2

/* One split's look. */
typedef struct visit {
    oc_examination *e;
    const oc_waves *waves;
    int split;
} visit;

const oc_sample *oc_examination_sample(const oc_examination *e, size_t i) {
    const int split = e->picture[i].split;
    return &e->split[split]->sample[i - e->begin[split]];
}

void oc_examination_classes(const oc_examination *e, int split, int64_t *count) {
    const oc_split *s = e->split[split];
    for (int64_t i = 0; i < s->count; i++)
        if (s->sample[i].label >= 0) count[s->sample[i].label]++;
}

static int32_t grey_rows(const oc_pixels *image) {
    int64_t rows = 0;
    for (; rows < image->height; rows++) {
        const uint8_t *row = image->data + 3 * (image->height - 1 - rows) * image->width;
        int64_t i = 0;
        while (i < 3 * image->width && abs(row[i] - GREY) <= GREY_TOLERANCE) i++;
        if (i < 3 * image->width) break;
    }
    return (int32_t)rows;
}

static void examine(void *user, int64_t place, const oc_look *look, int worker) {
    const visit *v = user;
    const size_t i = v->e->begin[v->split] + (size_t)place;
    const char *name = v->e->split[v->split]->sample[place].name;
    const oc_image_format *format = look->bytes ? oc_image_format_of(look->bytes, look->size) : NULL;
    oc_facts *facts = &v->e->facts[i];
    oc_picture *picture = &v->e->picture[i];
    (void)worker;
    picture->split = (uint8_t)v->split;
    if (format && oc_image_format_name(name) && !oc_image_format_named(format, name)) facts->format = format->name;
    if (!look->image) {
        picture->absent = true;
        facts->no_image = look->bytes && look->size > 0 && !format;
        oc_strdup(&facts->reason, look->why->message, NULL);
        return;
    }
    facts->width = (int32_t)look->image->width;
    facts->height = (int32_t)look->image->height;
    facts->color = look->image->color;
    facts->grey_rows = grey_rows(look->image);
    oc_fingerprint_make(&picture->print, look->image, v->waves);
}

static int compare_areas(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* What is usual, against which the unusual is found. */
static oc_status usual_find(oc_examination *e, oc_error *err) {
    int64_t *area = NULL;
    size_t decoded = 0;
    oc_status status;
    OC_TRY(oc_alloc(&area, e->count, sizeof *area, err));
    for (size_t i = 0; i < e->count; i++) {
        if (e->picture[i].absent) continue;
        area[decoded++] = (int64_t)e->facts[i].width * e->facts[i].height;
        e->of_color[e->facts[i].color]++;
    }
    if (decoded > 0) {
        qsort(area, decoded, sizeof *area, compare_areas);
        e->usual_area = area[decoded / 2];
    }
cleanup:
    oc_free(area);
    return status;
}

static oc_status examination_run(oc_examination *e, const oc_data_options *options, oc_team *team, oc_error *err) {
    oc_waves waves;
    oc_status status;
    oc_waves_fill(&waves);
    for (int s = 0; oc_split_names[s]; s++) {
        const oc_split *split = oc_dataset_split(e->dataset, oc_split_names[s]);
        if (!split) continue;
        oc_dataset_report(e->dataset, split, &options->log);
        e->split[e->splits] = split;
        e->begin[++e->splits] = e->count += (size_t)split->count;
    }
    if (e->count >= UINT32_MAX)
        return oc_fail(err, OC_E_USAGE, oc_dataset_path(e->dataset), "%zu images are too many to compare", e->count);
    OC_TRY(oc_alloc(&e->facts, e->count, sizeof *e->facts, err));
    OC_TRY(oc_alloc(&e->picture, e->count, sizeof *e->picture, err));
    for (int s = 0; s < e->splits; s++) {
        visit v = {e, &waves, s};
        OC_TRY(oc_look_at(e->dataset, e->split[s], options->image, team, &options->progress, examine, &v, err));
    }
    OC_TRY(usual_find(e, err));
    status = oc_groups_find(&e->groups, e->picture, e->count, team, &options->progress, err);
cleanup:
    return status;
}

static void examination_free(oc_examination *e) {
    oc_groups_free(&e->groups);
    for (size_t i = 0; e->facts && i < e->count; i++) oc_free(e->facts[i].reason);
    oc_free(e->facts);
    oc_free(e->picture);
}

static oc_status head_put(json_t *root, const oc_examination *e, oc_error *err) {
    json_t *images = json_object();
    oc_status status;
    OC_TRY(oc_json_put_bytes(root, "path", oc_dataset_path(e->dataset), err));
    OC_TRY(oc_json_put(root, "size", json_integer(e->size), err));
    OC_TRY(oc_json_put(root, "classes", json_integer((json_int_t)oc_dataset_class_count(e->dataset)), err));
    for (int s = 0; s < e->splits; s++)
        OC_TRY(oc_json_put(images, e->split[s]->name, json_integer(e->split[s]->count), err));
    status = oc_json_put(root, "images", json_incref(images), err);
cleanup:
    json_decref(images);
    return status;
}

oc_status oc_data_doctor(char **json, const oc_dataset *dataset, const oc_data_options *options, oc_error *err) {
    const oc_data_options none = {0};
    json_t *root = json_object();
    oc_team *team = NULL;
    oc_status status;
    if (!options) options = &none;
    oc_examination e = {.dataset = dataset, .size = options->size > 0 ? options->size : DEFAULT_SIZE};
    OC_TRY(oc_team_create(&team, options->threads, err));
    oc_team_log(team, &options->log);
    OC_TRY(examination_run(&e, options, team, err));
    OC_TRY(head_put(root, &e, err));
    OC_TRY(oc_balance_put(root, &e, err));
    OC_TRY(oc_findings_put(root, &e, err));
    status = oc_json_text(json, root, err);
cleanup:
    json_decref(root);
    examination_free(&e);
    oc_team_destroy(&team);
    return status;
}
