/* What is in a data set, and packing it: the tools of ocelli/data.h. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "data/kept.h"
#include "data/left_out.h"
#include "data/look.h"
#include "data/moments.h"
#include "data/pack.h"
#include "ocelli/data.h"

#define LISTED_BAD 20
#define DEFAULT_SIZE 64 /* of inputs */
#define SAMPLE 500      /* images that are compared where not all are to be */

/* What one file is. */
typedef struct finding {
    int32_t width, height;
    oc_color color;
    bool turned, transparent, wide, several, bad;
    char *reason; /* of what is bad; NULL without memory */
} finding;

typedef struct survey {
    const oc_dataset *dataset;
    const oc_split *split;
    const oc_data_options *options;
    finding *found;      /* [split->count] */
    oc_moments *moments; /* [threads] */
} survey;

static void survey_one(void *user, int64_t place, const oc_look *look, int worker) {
    survey *s = user;
    finding *f = &s->found[place];
    const oc_pixels *image = look->image;
    if (!image) {
        f->bad = true;
        oc_strdup(&f->reason, look->why->message, NULL);
        return;
    }
    f->width = (int32_t)image->width;
    f->height = (int32_t)image->height;
    f->color = image->color;
    f->turned = image->turned;
    f->transparent = image->transparent;
    f->wide = image->wide;
    f->several = image->several;
    oc_moments_add(&s->moments[worker], image->data, image->width, image->height);
}

static oc_status per_class_json(json_t **out, const survey *s, oc_error *err) {
    const oc_names *classes = oc_dataset_classes(s->dataset);
    json_t *object = json_object(), *each = json_object();
    int64_t *count = NULL, most = 0, least = s->split->count;
    oc_status status;
    OC_TRY(oc_alloc(&count, classes->count, sizeof(*count), err));
    for (int64_t i = 0; i < s->split->count; i++)
        if (s->split->sample[i].label >= 0) count[s->split->sample[i].label]++;
    for (size_t i = 0; i < classes->count; i++) {
        if (count[i] > most) most = count[i];
        if (count[i] < least) least = count[i];
        OC_TRY(oc_json_put(each, classes->item[i], json_integer(count[i]), err));
    }
    OC_TRY(oc_json_put(object, "min", json_integer(least), err));
    OC_TRY(oc_json_put(object, "max", json_integer(most), err));
    status = oc_json_put(object, "each", json_incref(each), err);
    if (status == OC_OK) *out = json_incref(object);
cleanup:
    oc_free(count);
    json_decref(each);
    json_decref(object);
    return status;
}

/* The undecodable: their number and the first with reasons. */
static oc_status bad_json(json_t **out, const survey *s, oc_error *err) {
    json_t *object = json_object(), *files = json_array();
    int64_t bad = 0;
    oc_status status;
    for (int64_t i = 0; i < s->split->count; i++) {
        const char *reason = s->found[i].reason;
        if (!s->found[i].bad || bad++ >= LISTED_BAD) continue;
        json_t *file = json_object();
        if (json_array_append_new(files, file) != 0) {
            status = oc_json_no_memory(err);
            goto cleanup;
        }
        OC_TRY(oc_json_put_bytes(file, "name", s->split->sample[i].path, err));
        OC_TRY(oc_json_put_bytes(file, "reason", reason ? reason : "no memory to say why", err));
    }
    OC_TRY(oc_json_put(object, "count", json_integer(bad), err));
    status = oc_json_put(object, "files", json_incref(files), err);
    if (status == OC_OK) *out = json_incref(object);
cleanup:
    json_decref(files);
    json_decref(object);
    return status;
}

static oc_status colors_json(json_t *split, const survey *s, int threads, oc_error *err) {
    json_t *mean = json_array(), *std = json_array();
    oc_moments all = {0};
    double average[3], deviation[3];
    oc_status status;
    for (int i = 0; i < threads; i++) oc_moments_join(&all, &s->moments[i]);
    oc_moments_find(&all, average, deviation);
    for (int c = 0; all.pixels > 0 && c < 3; c++) {
        json_array_append_new(mean, json_real(average[c]));
        json_array_append_new(std, json_real(deviation[c]));
    }
    OC_TRY(oc_json_put(split, "mean", json_incref(mean), err));
    status = oc_json_put(split, "std", json_incref(std), err);
cleanup:
    json_decref(mean);
    json_decref(std);
    return status;
}

/* Adds what the images are to the split's account. */
static oc_status split_json(json_t *split, const survey *s, int threads, oc_error *err) {
    json_t *sizes = json_object(), *colors = json_object(), *part = NULL;
    oc_status status = OC_OK;
    json_int_t turned = 0, transparent = 0, wide = 0, several = 0;
    const int64_t size = s->options->size > 0 ? s->options->size : DEFAULT_SIZE;
    oc_cropped cropped = {0};
    char key[32];
    if (s->split->count > 0 && s->split->sample[0].label >= 0) {
        OC_TRY(per_class_json(&part, s, err));
        OC_TRY(oc_json_put(split, "images_per_class", part, err));
    }
    for (int64_t i = 0; i < s->split->count; i++) {
        const finding *f = &s->found[i];
        if (f->bad) continue;
        snprintf(key, sizeof key, "%dx%d", f->width, f->height);
        OC_TRY(oc_json_count(sizes, key, 1, err));
        OC_TRY(oc_json_count(colors, oc_color_name(f->color), 1, err));
        oc_cropped_add(&cropped, f->width, f->height, size);
        turned += f->turned;
        transparent += f->transparent;
        wide += f->wide;
        several += f->several;
    }
    OC_TRY(oc_json_put(split, "sizes", json_incref(sizes), err));
    OC_TRY(oc_json_put(split, "colour_modes", json_incref(colors), err));
    OC_TRY(oc_json_put(split, "turned", json_integer(turned), err));
    OC_TRY(oc_json_put(split, "transparent", json_integer(transparent), err));
    OC_TRY(oc_json_put(split, "wide", json_integer(wide), err));
    OC_TRY(oc_json_put(split, "several", json_integer(several), err));
    OC_TRY(oc_json_put(split, "cropped", json_real(oc_cropped_share(&cropped)), err));
    if (!s->options->image || s->options->image->fit == OC_FIT_CROP)
        oc_cropped_warn(&cropped, s->split->name, &s->options->log);
    OC_TRY(bad_json(&part, s, err));
    OC_TRY(oc_json_put(split, "undecodable", part, err));
    status = colors_json(split, s, threads, err);
cleanup:
    json_decref(sizes);
    json_decref(colors);
    return status;
}

/* Decodes all of a split, and adds what was found to its account. */
static oc_status split_survey(json_t *account, const oc_dataset *dataset, const oc_split *split,
                              const oc_data_options *options, oc_team *team, oc_error *err) {
    const int threads = oc_team_threads(team);
    survey s = {.dataset = dataset, .split = split, .options = options};
    oc_status status;
    OC_TRY(oc_alloc(&s.found, (size_t)split->count, sizeof(*s.found), err));
    OC_TRY(oc_alloc(&s.moments, (size_t)threads, sizeof(*s.moments), err));
    OC_TRY(oc_look_at(dataset, split, options->image, team, &options->progress, survey_one, &s, err));
    status = split_json(account, &s, threads, err);
cleanup:
    for (int64_t i = 0; s.found && i < split->count; i++) oc_free(s.found[i].reason);
    oc_free(s.moments);
    oc_free(s.found);
    return status;
}

static oc_status class_names_json(json_t *root, const oc_dataset *dataset, oc_error *err) {
    const oc_names *classes = oc_dataset_classes(dataset);
    json_t *names = json_object();
    oc_status status = OC_OK;
    for (size_t i = 0; i < classes->count; i++)
        OC_TRY(oc_json_put_bytes(names, classes->item[i], oc_dataset_class_name(dataset, classes->item[i]), err));
    status = oc_json_put(root, "class_names", json_incref(names), err);
cleanup:
    json_decref(names);
    return status;
}

oc_status oc_data_info(char **json, const oc_dataset *dataset, const oc_data_options *options, oc_error *err) {
    const oc_data_options none = {0};
    json_t *root = NULL;
    oc_team *team = NULL;
    oc_status status;
    if (!options) options = &none;
    OC_TRY(oc_team_create(&team, options->threads, err));
    oc_team_log(team, &options->log);
    OC_TRY(oc_dataset_account(&root, dataset, err));
    OC_TRY(class_names_json(root, dataset, err));
    for (size_t i = 0; oc_split_names[i]; i++) {
        const oc_split *split = oc_dataset_split(dataset, oc_split_names[i]);
        if (!split) continue;
        oc_dataset_report(dataset, split, &options->log);
        json_t *account = json_object_get(json_object_get(root, "splits"), split->name);
        OC_TRY(split_survey(account, dataset, split, options, team, err));
    }
    status = oc_json_text(json, root, err);
cleanup:
    json_decref(root);
    oc_team_destroy(&team);
    return status;
}

void oc_data_free(char *json) {
    oc_free(json);
}

oc_status oc_data_pack(const oc_dataset *dataset, const oc_data_options *options, oc_error *err) {
    const oc_data_options none = {0};
    oc_team *team = NULL;
    oc_pack *pack = NULL;
    oc_status status;
    if (!options) options = &none;
    if (options->size < 0) return oc_fail(err, OC_E_USAGE, "--size", "%lld is not a size", (long long)options->size);
    OC_TRY(oc_team_create(&team, options->threads, err));
    oc_team_log(team, &options->log);
    const oc_pack_options pack_options = {.size = options->size ? options->size : DEFAULT_SIZE,
                                          .image = options->image,
                                          .cache = options->cache,
                                          .skip_bad = options->skip_bad,
                                          .team = team,
                                          .progress = options->progress,
                                          .log = options->log};
    for (size_t i = 0; oc_split_names[i]; i++) {
        const oc_split *split = oc_dataset_split(dataset, oc_split_names[i]);
        if (!split) continue;
        oc_dataset_report(dataset, split, &options->log);
        OC_TRY(oc_pack_open(&pack, dataset, oc_split_names[i], &pack_options, err));
        const int64_t sample = options->verify == OC_VERIFY_ALL ? INT64_MAX : SAMPLE;
        int64_t compared = 0;
        if (options->verify == OC_VERIFY_NOTHING) {
            oc_log_line(&options->log, OC_LOG_INFO, "%s: %lld images", oc_split_names[i],
                        (long long)oc_pack_count(pack));
        } else {
            OC_TRY(oc_pack_verify(pack, dataset, oc_split_names[i], &pack_options, sample, &compared, err));
            oc_log_line(&options->log, OC_LOG_INFO,
                        "%s: %lld images, every byte as it was written; %lld decoded anew and the same",
                        oc_split_names[i], (long long)oc_pack_count(pack), (long long)compared);
        }
        oc_pack_destroy(&pack);
    }
cleanup:
    oc_pack_destroy(&pack);
    oc_team_destroy(&team);
    return status;
}
