/* What is in a data set, and packing it: the tools of ocelli/data.h. Sums are of whole numbers, so that mean and
 * deviation do not depend on the threads. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "data/decode.h"
#include "data/pack.h"
#include "ocelli/data.h"

#define CHUNK 1024 /* images between two progress reports */
#define GRAIN 8
#define LISTED_BAD 20

/* What one file is. */
typedef struct finding {
    int32_t width, height;
    oc_color color;
    bool turned, transparent, wide, several;
    oc_status status;
} finding;

/* One thread's. */
typedef struct worker_state {
    oc_decoder *decoder;
    uint64_t pixels, sum[3], squares[3];
} worker_state;

typedef struct survey {
    const oc_dataset *dataset;
    const oc_split *split;
    finding *found; /* [split->count] */
    worker_state *worker;
    int64_t begin;
} survey;

/* Pixels of one image into the sums. 32 bits suffice for a row: 65,500 pixels of 255² are below 2³². */
static void pixels_sum(worker_state *w, const oc_pixels *image) {
    for (int64_t y = 0; y < image->height; y++) {
        const uint8_t *row = image->data + y * image->width * 3;
        uint32_t sum[3] = {0}, squares[3] = {0};
        for (int64_t x = 0; x < image->width; x++)
            for (int c = 0; c < 3; c++) {
                const uint32_t v = row[3 * x + c];
                sum[c] += v;
                squares[c] += v * v;
            }
        for (int c = 0; c < 3; c++) {
            w->sum[c] += sum[c];
            w->squares[c] += squares[c];
        }
    }
    w->pixels += (uint64_t)(image->width * image->height);
}

static oc_status image_look(const survey *s, worker_state *w, int64_t place, oc_pixels *image, oc_error *err) {
    uint8_t *bytes = NULL;
    size_t size;
    oc_status status;
    OC_TRY(oc_dataset_read(s->dataset, &s->split->sample[place], &bytes, &size, err));
    status = oc_decode(w->decoder, bytes, size, NULL, image, err);
cleanup:
    oc_free(bytes);
    return status;
}

static void survey_range(void *user, int64_t begin, int64_t end, int worker) {
    survey *s = user;
    worker_state *w = &s->worker[worker];
    for (int64_t i = s->begin + begin; i < s->begin + end; i++) {
        oc_pixels image;
        finding *f = &s->found[i];
        f->status = image_look(s, w, i, &image, NULL);
        if (f->status != OC_OK) continue;
        f->width = (int32_t)image.width;
        f->height = (int32_t)image.height;
        f->color = image.color;
        f->turned = image.turned;
        f->transparent = image.transparent;
        f->wide = image.wide;
        f->several = image.several;
        pixels_sum(w, &image);
    }
}

static oc_status no_memory(oc_error *err) {
    return oc_fail(err, OC_E_MEMORY, NULL, "no memory for JSON");
}

/* Adds `value` to `object` under `key`; takes the reference. */
static oc_status put(json_t *object, const char *key, json_t *value, oc_error *err) {
    return json_object_set_new(object, key, value) == 0 ? OC_OK : no_memory(err);
}

/* File names are bytes, JSON is UTF-8: *out (freed with oc_free) is `name`, or, where it is not UTF-8, has '?' for the
 * bytes beyond ASCII. */
static oc_status name_clean(char **out, const char *name, oc_error *err) {
    json_t *test = json_string(name);
    const oc_status status = oc_strdup(out, name, err);
    if (status == OC_OK && !test)
        for (char *c = *out; *c; c++)
            if ((unsigned char)*c > 126) *c = '?';
    json_decref(test);
    return status;
}

/* Adds a name of the data set. */
static oc_status put_name(json_t *object, const char *key, const char *name, oc_error *err) {
    char *clean = NULL;
    oc_status status;
    OC_TRY(name_clean(&clean, name, err));
    status = put(object, key, json_string(clean), err);
cleanup:
    oc_free(clean);
    return status;
}

/* More under `key`. */
static oc_status count_more(json_t *object, const char *key, int64_t more, oc_error *err) {
    const json_int_t count = json_integer_value(json_object_get(object, key));
    return put(object, key, json_integer(count + more), err);
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
        OC_TRY(put(each, classes->item[i], json_integer(count[i]), err));
    }
    OC_TRY(put(object, "min", json_integer(least), err));
    OC_TRY(put(object, "max", json_integer(most), err));
    status = put(object, "each", json_incref(each), err);
    if (status == OC_OK) *out = json_incref(object);
cleanup:
    oc_free(count);
    json_decref(each);
    json_decref(object);
    return status;
}

/* The undecodable: their number and the first with reasons, for which these are looked at once more. */
static oc_status bad_json(json_t **out, const survey *s, oc_error *err) {
    json_t *object = json_object(), *files = json_array();
    int64_t bad = 0;
    oc_status status;
    for (int64_t i = 0; i < s->split->count; i++) {
        oc_error reason = {0};
        oc_pixels image;
        if (s->found[i].status == OC_OK || bad++ >= LISTED_BAD) continue;
        image_look(s, &s->worker[0], i, &image, &reason);
        json_t *file = json_object();
        if (json_array_append_new(files, file) != 0) {
            status = no_memory(err);
            goto cleanup;
        }
        OC_TRY(put_name(file, "name", s->split->sample[i].path, err));
        OC_TRY(put_name(file, "reason", reason.message, err));
    }
    OC_TRY(put(object, "count", json_integer(bad), err));
    status = put(object, "files", json_incref(files), err);
    if (status == OC_OK) *out = json_incref(object);
cleanup:
    json_decref(files);
    json_decref(object);
    return status;
}

/* What was found and is no sample: its number, by reason and by class, and the first that one would have expected to be
 * an image. */
static oc_status left_out_json(json_t **out, const oc_dataset *dataset, const oc_split *split, oc_error *err) {
    json_t *object = json_object(), *reasons = json_object(), *classes = json_object();
    oc_status status;
    OC_TRY(put(object, "count", json_integer(oc_split_left_out(split, true)), err));
    OC_TRY(put(object, "all", json_integer(oc_split_left_out(split, false)), err));
    for (size_t i = 0; i < split->left_outs; i++) {
        const oc_left_out *l = &split->left_out[i];
        const oc_unread_reason *reason = &oc_unread_reasons[l->why];
        OC_TRY(count_more(reasons, reason->text, l->count, err));
        if (l->label >= 0) OC_TRY(count_more(classes, oc_dataset_class(dataset, (size_t)l->label), l->count, err));
        if (!reason->expected || json_object_get(object, "first")) continue;
        OC_TRY(put_name(object, "first", l->first, err));
        OC_TRY(put_name(object, "reason", reason->text, err));
    }
    OC_TRY(put(object, "reasons", json_incref(reasons), err));
    OC_TRY(put(object, "classes", json_incref(classes), err));
    *out = json_incref(object);
cleanup:
    json_decref(object);
    json_decref(reasons);
    json_decref(classes);
    return status;
}

static oc_status colors_json(json_t *split, const survey *s, int threads, oc_error *err) {
    json_t *mean = json_array(), *std = json_array();
    oc_status status = OC_OK;
    for (int c = 0; c < 3; c++) {
        uint64_t pixels = 0, sum = 0, squares = 0;
        for (int i = 0; i < threads; i++) {
            pixels += s->worker[i].pixels;
            sum += s->worker[i].sum[c];
            squares += s->worker[i].squares[c];
        }
        if (pixels == 0) break;
        const double average = (double)sum / (double)pixels;
        const double variance = (double)squares / (double)pixels - average * average;
        json_array_append_new(mean, json_real(average / 255));
        json_array_append_new(std, json_real(sqrt(variance > 0 ? variance : 0) / 255));
    }
    OC_TRY(put(split, "mean", json_incref(mean), err));
    status = put(split, "std", json_incref(std), err);
cleanup:
    json_decref(mean);
    json_decref(std);
    return status;
}

static oc_status split_json(json_t *splits, const survey *s, int threads, oc_error *err) {
    json_t *split = json_object(), *sizes = json_object(), *colors = json_object(), *part = NULL;
    oc_status status = OC_OK;
    json_int_t turned = 0, transparent = 0, wide = 0, several = 0;
    char key[32];
    OC_TRY(put_name(split, "folder", s->split->folder, err));
    OC_TRY(put(split, "images", json_integer(s->split->count), err));
    if (s->split->count > 0 && s->split->sample[0].label >= 0) {
        OC_TRY(per_class_json(&part, s, err));
        OC_TRY(put(split, "images_per_class", part, err));
    }
    for (int64_t i = 0; i < s->split->count; i++) {
        const finding *f = &s->found[i];
        if (f->status != OC_OK) continue;
        snprintf(key, sizeof key, "%dx%d", f->width, f->height);
        OC_TRY(count_more(sizes, key, 1, err));
        OC_TRY(count_more(colors, oc_color_name(f->color), 1, err));
        turned += f->turned;
        transparent += f->transparent;
        wide += f->wide;
        several += f->several;
    }
    OC_TRY(put(split, "sizes", json_incref(sizes), err));
    OC_TRY(put(split, "colour_modes", json_incref(colors), err));
    OC_TRY(put(split, "turned", json_integer(turned), err));
    OC_TRY(put(split, "transparent", json_integer(transparent), err));
    OC_TRY(put(split, "wide", json_integer(wide), err));
    OC_TRY(put(split, "several", json_integer(several), err));
    OC_TRY(bad_json(&part, s, err));
    OC_TRY(put(split, "undecodable", part, err));
    OC_TRY(left_out_json(&part, s->dataset, s->split, err));
    OC_TRY(put(split, "left_out", part, err));
    OC_TRY(colors_json(split, s, threads, err));
    status = put(splits, s->split->name, json_incref(split), err);
cleanup:
    json_decref(split);
    json_decref(sizes);
    json_decref(colors);
    return status;
}

/* Decodes all of a split, and adds what was found to `splits`. */
static oc_status split_survey(json_t *splits, const oc_dataset *dataset, const oc_split *split,
                              const oc_data_options *options, oc_team *team, oc_error *err) {
    const oc_progress *progress = &options->progress;
    const int threads = oc_team_threads(team);
    survey s = {.dataset = dataset, .split = split};
    char what[32];
    oc_status status;
    snprintf(what, sizeof what, "look at %s", split->name);
    OC_TRY(oc_alloc(&s.found, (size_t)split->count, sizeof(*s.found), err));
    OC_TRY(oc_alloc(&s.worker, (size_t)threads, sizeof(*s.worker), err));
    for (int i = 0; i < threads; i++) OC_TRY(oc_decoder_create(&s.worker[i].decoder, options->image, err));
    for (; s.begin < split->count; s.begin += CHUNK) {
        const int64_t left = split->count - s.begin;
        if (!oc_progress_report(progress, what, s.begin, split->count)) {
            status = oc_fail(err, OC_E_STOPPED, NULL, "stopped while looking at %s", split->name);
            goto cleanup;
        }
        oc_parallel_for_dynamic(team, left < CHUNK ? left : CHUNK, GRAIN, survey_range, &s);
    }
    oc_progress_report(progress, what, split->count, split->count);
    status = split_json(splits, &s, threads, err);
cleanup:
    for (int i = 0; s.worker && i < threads; i++) oc_decoder_destroy(&s.worker[i].decoder);
    oc_free(s.worker);
    oc_free(s.found);
    return status;
}

static oc_status classes_json(json_t *root, const oc_dataset *dataset, oc_error *err) {
    const oc_names *classes = oc_dataset_classes(dataset);
    json_t *codes = json_array(), *names = json_object();
    oc_status status = OC_OK;
    for (size_t i = 0; i < classes->count; i++) {
        const char *code = classes->item[i];
        if (json_array_append_new(codes, json_string(code)) != 0) {
            status = no_memory(err);
            goto cleanup;
        }
        OC_TRY(put_name(names, code, oc_dataset_class_name(dataset, code), err));
    }
    OC_TRY(put(root, "classes", json_incref(codes), err));
    status = put(root, "class_names", json_incref(names), err);
cleanup:
    json_decref(codes);
    json_decref(names);
    return status;
}

oc_status oc_data_info(char **json, const oc_dataset *dataset, const oc_data_options *options, oc_error *err) {
    const oc_data_options none = {0};
    json_t *root = json_object(), *splits = json_object(), *part = NULL;
    oc_team *team = NULL;
    oc_status status;
    if (!options) options = &none;
    OC_TRY(oc_team_create(&team, options->threads, err));
    oc_team_log(team, &options->log);
    OC_TRY(put_name(root, "path", oc_dataset_path(dataset), err));
    OC_TRY(classes_json(root, dataset, err));
    for (size_t i = 0; oc_split_names[i]; i++) {
        const oc_split *split = oc_dataset_split(dataset, oc_split_names[i]);
        if (!split) continue;
        oc_dataset_report(dataset, split, &options->log);
        OC_TRY(split_survey(splits, dataset, split, options, team, err));
    }
    OC_TRY(put(root, "splits", json_incref(splits), err));
    OC_TRY(left_out_json(&part, dataset, oc_dataset_elsewhere(dataset), err));
    OC_TRY(put(root, "elsewhere", part, err));
    status = oc_json_text(json, root, err);
cleanup:
    json_decref(root);
    json_decref(splits);
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
    const oc_pack_options pack_options = {.size = options->size ? options->size : 64,
                                          .image = options->image,
                                          .cache = options->cache,
                                          .skip_bad = options->skip_bad,
                                          .team = team,
                                          .progress = options->progress,
                                          .log = options->log};
    for (size_t i = 0; oc_split_names[i]; i++) {
        if (!oc_dataset_split(dataset, oc_split_names[i])) continue;
        OC_TRY(oc_pack_open(&pack, dataset, oc_split_names[i], &pack_options, err));
        if (options->verify) OC_TRY(oc_pack_verify(pack, err));
        oc_log_line(&options->log, OC_LOG_INFO, "%s: %lld images%s", oc_split_names[i], (long long)oc_pack_count(pack),
                    options->verify ? ", every byte as it was written" : "");
        oc_pack_destroy(&pack);
    }
cleanup:
    oc_pack_destroy(&pack);
    oc_team_destroy(&team);
    return status;
}
