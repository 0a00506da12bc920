/* oc_evaluate: loss and accuracies of a model over a split, and its logits as a file. */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/memory.h"
#include "eval/session.h"
#include "tensor/safetensors.h"

/* What the batches pass through. */
typedef struct collector {
    const oc_progress *progress;
    int64_t classes;
    float *logits; /* [images, classes], or NULL: not asked for */
} collector;

static bool on_batch(void *user, const float *logits, const uint32_t *sample, int64_t rows, int64_t done,
                     int64_t total) {
    collector *c = user;
    for (int64_t i = 0; c->logits && i < rows; i++)
        memcpy(c->logits + (int64_t)sample[i] * c->classes, logits + i * c->classes,
               (size_t)c->classes * sizeof *logits);
    return oc_progress_report(c->progress, "evaluate", done, total);
}

/* *out = the strings as a JSON list, freed with oc_free. */
static oc_status json_list(char **out, const char *const *item, size_t count, oc_error *err) {
    oc_status status = OC_OK;
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        /* File names need not be UTF-8, JSON must. */
        json_t *text = json_string(item[i]);
        if (!text) text = json_string_nocheck("?");
        if (!list || json_array_append_new(list, text) != 0) {
            status = oc_fail(err, OC_E_MEMORY, NULL, "out of memory for a list of names");
            goto cleanup;
        }
    }
    OC_TRY(oc_json_text(out, list, err));
cleanup:
    json_decref(list);
    return status;
}

/* Writes logits [images, classes] in the model's order of classes, labels as places in it (−1: unknown), and the
 * names of both. */
static oc_status save_logits(const char *path, const oc_eval_session *session, const oc_model *model,
                             const float *logits, oc_error *err) {
    oc_status status = OC_OK;
    int64_t images = oc_pack_count(session->pack), classes = (int64_t)model->classes.count;
    int32_t *labels = NULL;
    const char **name = NULL;
    char *names = NULL, *class_list = NULL;
    OC_TRY(oc_alloc(&labels, (size_t)images, sizeof *labels, err));
    OC_TRY(oc_alloc(&name, (size_t)images, sizeof *name, err));
    for (int64_t i = 0; i < images; i++) {
        oc_image image = oc_pack_image(session->pack, i);
        labels[i] = image.label < 0 ? -1 : session->class_map[image.label];
        name[i] = image.name;
    }
    OC_TRY(json_list(&names, name, (size_t)images, err));
    OC_TRY(json_list(&class_list, (const char *const *)model->classes.item, model->classes.count, err));
    const oc_safetensors_view tensors[] = {
        {.name = "logits",
         .dtype = OC_F32,
         .shape = oc_shape_make(2, images, classes),
         .data = (const uint8_t *)logits,
         .size = (size_t)images * (size_t)classes * sizeof *logits},
        {.name = "labels",
         .dtype = OC_I32,
         .shape = oc_shape_make(1, images),
         .data = (const uint8_t *)labels,
         .size = (size_t)images * sizeof *labels},
    };
    const oc_metadata metadata[] = {{"model", model->entry->name}, {"classes", class_list}, {"names", names}};
    OC_TRY(oc_safetensors_write(path, tensors, 2, metadata, 3, err));
cleanup:
    oc_free(labels);
    oc_free(name);
    oc_free(names);
    oc_free(class_list);
    return status;
}

oc_status oc_evaluate(oc_evaluation *out, oc_model *model, const oc_dataset *dataset, const oc_eval_options *options,
                      oc_error *err) {
    oc_status status = OC_OK;
    oc_eval_session session = {0};
    const oc_eval_options defaults = {0};
    if (!options) options = &defaults;
    const char *split = options->split ? options->split : "val";
    collector collect = {.progress = &options->progress, .classes = (int64_t)model->classes.count};
    OC_TRY(oc_eval_session_open(&session, model, dataset, split, options, err));
    int64_t images = oc_pack_count(session.pack);
    if (options->save_logits) {
        size_t count = 0;
        if (!oc_size_mul((size_t)images, model->classes.count, &count)) {
            status = oc_fail(err, OC_E_MEMORY, options->save_logits, "the logits' size overflows");
            goto cleanup;
        }
        OC_TRY(oc_alloc(&collect.logits, count, sizeof *collect.logits, err));
    }
    oc_score score;
    double start = oc_clock_seconds();
    OC_TRY(oc_evaluator_run(session.evaluator, &model->weights, &score, on_batch, &collect, err));
    double seconds = oc_clock_seconds() - start;
    if (score.rows == 0 && !options->save_logits) {
        status = oc_fail(err, OC_E_USAGE, oc_dataset_path(dataset),
                         "the split \"%s\" has no labels to compare with: only predictions can be made", split);
        goto cleanup;
    }
    if (options->save_logits) OC_TRY(save_logits(options->save_logits, &session, model, collect.logits, err));
    double rows = score.rows > 0 ? (double)score.rows : NAN;
    *out = (oc_evaluation){.images = images,
                           .skipped = oc_pack_skipped(session.pack),
                           .loss = score.loss / rows,
                           .top1 = score.top1 / rows,
                           .top5 = score.top5 / rows,
                           .images_per_second = seconds > 0 ? (double)images / seconds : 0};
cleanup:
    oc_free(collect.logits);
    oc_eval_session_close(&session);
    return status;
}
