/* Scoring every image of a split with a network or an ensemble. */
#include "eval/scores.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "data/dataset.h"
#include "eval/evaluator.h"
#include "models/ensemble.h"
#include "models/precision.h"

#define DEFAULT_BATCH 64

/* What scoring a split needs, set up once for all networks of a model. */
typedef struct scorer {
    oc_model *model;
    const oc_dataset *dataset;
    const oc_eval_options *options;
    const char *split;
    oc_precision precision;
    size_t networks;
    oc_team *team;
    oc_slab *slab;
    oc_pack **pack;     /* [networks]: the first that wants images packed so has one */
    int32_t *class_map; /* [data set's classes] → the model's */
    float **gathered;   /* [networks] of an ensemble: scores in its order of classes; NULL for a network */
    oc_scores scores;
} scorer;

static bool packs_alike(const oc_model *a, const oc_model *b) {
    return a->size == b->size && oc_image_options_equal(&a->image, &b->image);
}

/* The first network that wants images packed as another does: whose pack they share. */
static size_t first_alike(oc_model *model, size_t index) {
    size_t first = 0;
    while (!packs_alike(oc_model_network(model, first), oc_model_network(model, index))) first++;
    return first;
}

/* All of them before the first image is scored: an undecodable image is told before minutes are spent. */
static oc_status open_packs(scorer *s, oc_error *err) {
    oc_status status = OC_OK;
    OC_TRY(oc_alloc(&s->pack, s->networks, sizeof *s->pack, err));
    for (size_t i = 0; i < s->networks; i++) {
        if (first_alike(s->model, i) != i) continue;
        const oc_model *network = oc_model_network(s->model, i);
        oc_pack_options options = {.size = network->size,
                                   .image = &network->image,
                                   .cache = s->options->cache,
                                   .skip_bad = s->options->skip_bad,
                                   .team = s->team,
                                   .progress = s->options->progress,
                                   .log = s->options->log};
        OC_TRY(oc_pack_open(&s->pack[i], s->dataset, s->split, &options, err));
        if (oc_pack_count(s->pack[i]) != oc_pack_count(s->pack[0])) {
            status = oc_fail(err, OC_E_FORMAT, oc_dataset_path(s->dataset),
                             "the split \"%s\" has changed while it was read", s->split);
            goto cleanup;
        }
    }
cleanup:
    return status;
}

/* Labels, names, and room for the scores. */
static oc_status describe_images(scorer *s, oc_error *err) {
    oc_status status = OC_OK;
    oc_scores *scores = &s->scores;
    const size_t row = s->model->classes.count * sizeof *scores->logits;
    scores->images = oc_pack_count(s->pack[0]);
    scores->classes = (int64_t)s->model->classes.count;
    scores->skipped = oc_pack_skipped(s->pack[0]);
    OC_TRY(oc_alloc(&scores->label, (size_t)scores->images, sizeof *scores->label, err));
    OC_TRY(oc_alloc(&scores->logits, (size_t)scores->images, row, err));
    OC_TRY(oc_pack_contents(&scores->content, s->pack[0], err));
    scores->trained_on = oc_trained_count(&s->model->trained, scores->content, (size_t)scores->images);
    for (int64_t i = 0; i < scores->images; i++) {
        const oc_image image = oc_pack_image(s->pack[0], i);
        scores->label[i] = image.label < 0 ? -1 : s->class_map[image.label];
        OC_TRY(oc_names_add(&scores->names, image.name, err));
    }
    if (!s->model->ensemble) goto cleanup;
    OC_TRY(oc_alloc(&s->gathered, s->networks, sizeof *s->gathered, err));
    for (size_t i = 0; i < s->networks; i++) OC_TRY(oc_alloc(&s->gathered[i], (size_t)scores->images, row, err));
cleanup:
    return status;
}

/* ---- one network ---- */

/* Where a network's batches go. */
typedef struct collector {
    const scorer *scorer;
    size_t network;
    float *dst; /* [images, classes] */
} collector;

static bool collect(void *user, const float *logits, const uint32_t *sample, int64_t rows, int64_t done,
                    int64_t total) {
    const collector *c = user;
    const scorer *s = c->scorer;
    const int64_t classes = s->scores.classes;
    (void)sample; /* they come in the pack's order */
    oc_ensemble_gather(s->model, c->network, logits, rows, c->dst + (done - rows) * classes);
    return oc_progress_report(&s->options->progress, "evaluate", (int64_t)c->network * total + done,
                              (int64_t)s->networks * total);
}

static oc_status score_network(scorer *s, size_t index, oc_error *err) {
    oc_status status = OC_OK;
    oc_model *model = oc_model_network(s->model, index);
    oc_evaluator *evaluator = NULL;
    collector into = {.scorer = s, .network = index, .dst = s->gathered ? s->gathered[index] : s->scores.logits};
    oc_evaluator_options options = {.batch_size = s->options->batch_size > 0 ? s->options->batch_size : DEFAULT_BATCH,
                                    .precision = s->precision,
                                    .checked = model,
                                    .tta = s->options->tta,
                                    .team = s->team,
                                    .slab = s->slab};
    memcpy(options.mean, model->mean, sizeof options.mean);
    memcpy(options.std, model->std, sizeof options.std);
    OC_TRY(oc_evaluator_create(&evaluator, model->graph, s->pack[first_alike(s->model, index)], &options, err));
    const double start = oc_clock_seconds();
    OC_TRY(oc_evaluator_run(evaluator, &model->weights, NULL, collect, &into, err));
    s->scores.seconds += oc_clock_seconds() - start;
cleanup:
    oc_evaluator_destroy(&evaluator);
    return status;
}

/* ---- all of them ---- */

static void combine_rows(void *user, int64_t begin, int64_t end, int worker) {
    const scorer *s = user;
    const int64_t first = begin * s->scores.classes;
    const float *rows[OC_ENSEMBLE_MOST];
    (void)worker;
    for (size_t m = 0; m < s->networks; m++) rows[m] = s->gathered[m] + first;
    oc_ensemble_combine(s->model, rows, end - begin, s->scores.logits + first);
}

static void combine(scorer *s) {
    const double start = oc_clock_seconds();
    oc_parallel_for(s->team, s->scores.images, 1, combine_rows, s);
    s->scores.seconds += oc_clock_seconds() - start;
}

oc_status oc_scores_check_split(const oc_dataset *dataset, const char *name, oc_error *err) {
    oc_status status = OC_OK;
    oc_text there = {0};
    oc_names present = {0};
    for (size_t i = 0; oc_split_names[i]; i++) {
        if (strcmp(oc_split_names[i], name) == 0) goto cleanup;
        if (!oc_dataset_split(dataset, oc_split_names[i])) continue;
        OC_TRY(oc_text_printf(&there, err, "%s%s", present.count ? ", " : "", oc_split_names[i]));
        OC_TRY(oc_names_add(&present, oc_split_names[i], err));
    }
    const char *nearest = oc_text_nearest(name, (const char *const *)present.item, present.count);
    status = oc_fail(err, OC_E_USAGE, oc_dataset_path(dataset), "there is no split \"%s\", only %s%s%s%s", name,
                     there.data, nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
cleanup:
    oc_text_free(&there);
    oc_names_free(&present);
    return status;
}

oc_status oc_scores_compute(oc_scores *out, oc_model *model, const oc_dataset *dataset, const oc_eval_options *options,
                            oc_error *err) {
    oc_status status = OC_OK;
    const oc_eval_options defaults = {0};
    const oc_names *classes = oc_dataset_classes(dataset);
    scorer s = {.model = model, .dataset = dataset, .options = options ? options : &defaults};
    s.split = s.options->split ? s.options->split : "val";
    s.networks = oc_model_networks(model);
    *out = (oc_scores){0};
    if (s.options->batch_size < 0)
        return oc_fail(err, OC_E_USAGE, "batch_size", "%lld is no batch size", (long long)s.options->batch_size);
    OC_TRY(oc_precision_find(&s.precision, s.options->precision, "--precision", err));
    OC_TRY(oc_scores_check_split(dataset, s.split, err));
    OC_TRY(oc_alloc(&s.class_map, classes->count, sizeof *s.class_map, err));
    OC_TRY(oc_class_map(s.class_map, classes, model, &s.options->log, err));
    OC_TRY(oc_team_create(&s.team, s.options->threads, err));
    OC_TRY(oc_slab_create(&s.slab, err));
    oc_team_log(s.team, &s.options->log);
    oc_team_enter(s.team);
    OC_TRY(open_packs(&s, err));
    OC_TRY(describe_images(&s, err));
    for (size_t i = 0; i < s.networks; i++) OC_TRY(score_network(&s, i, err));
    if (s.gathered) combine(&s);
    s.scores.threads = oc_team_threads(s.team);
    *out = s.scores;
    s.scores = (oc_scores){0};
cleanup:
    oc_scores_free(&s.scores);
    for (size_t i = 0; i < s.networks; i++) {
        if (s.gathered) oc_free(s.gathered[i]);
        if (s.pack && s.pack[i]) oc_pack_destroy(&s.pack[i]);
    }
    oc_free(s.gathered);
    oc_free(s.pack);
    oc_free(s.class_map);
    oc_slab_destroy(&s.slab);
    oc_team_destroy(&s.team);
    return status;
}

void oc_scores_free(oc_scores *scores) {
    oc_free(scores->logits);
    oc_free(scores->label);
    oc_free(scores->content);
    oc_names_free(&scores->names);
    *scores = (oc_scores){0};
}
