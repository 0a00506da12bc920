/* See the header. */
#include "data/look.h"

#include <stdio.h>

#include "base/error.h"
#include "base/memory.h"

#define CHUNK 1024 /* images between two progress reports */
#define GRAIN 8

typedef struct looking {
    const oc_dataset *dataset;
    const oc_split *split;
    oc_decoder **decoder; /* [threads] */
    int64_t begin;        /* of the chunk */
    oc_look_fn fn;
    void *user;
} looking;

static void look_one(const looking *l, int64_t place, int worker) {
    uint8_t *bytes = NULL;
    size_t size = 0;
    oc_pixels image;
    oc_error why = {0};
    oc_status status = oc_dataset_read(l->dataset, &l->split->sample[place], &bytes, &size, &why);
    const bool read = status == OC_OK;
    if (read) status = oc_decode(l->decoder[worker], bytes, size, NULL, &image, &why);
    const oc_look look = {.bytes = read ? bytes : NULL,
                          .size = size,
                          .image = status == OC_OK ? &image : NULL,
                          .why = status == OC_OK ? NULL : &why};
    l->fn(l->user, place, &look, worker);
    oc_free(bytes);
}

static void look_range(void *user, int64_t begin, int64_t end, int worker) {
    const looking *l = user;
    for (int64_t i = l->begin + begin; i < l->begin + end; i++) look_one(l, i, worker);
}

oc_status oc_look_at(const oc_dataset *dataset, const oc_split *split, const oc_image_options *options, oc_team *team,
                     const oc_progress *progress, oc_look_fn fn, void *user, oc_error *err) {
    const int threads = oc_team_threads(team);
    looking l = {.dataset = dataset, .split = split, .fn = fn, .user = user};
    char what[32];
    oc_status status;
    snprintf(what, sizeof what, "look at %s", split->name);
    OC_TRY(oc_alloc(&l.decoder, (size_t)threads, sizeof(*l.decoder), err));
    for (int i = 0; i < threads; i++) OC_TRY(oc_decoder_create(&l.decoder[i], options, err));
    for (; l.begin < split->count; l.begin += CHUNK) {
        const int64_t left = split->count - l.begin;
        if (!oc_progress_report(progress, what, l.begin, split->count)) {
            status = oc_fail(err, OC_E_STOPPED, NULL, "stopped while looking at %s", split->name);
            goto cleanup;
        }
        oc_parallel_for_dynamic(team, left < CHUNK ? left : CHUNK, GRAIN, look_range, &l);
    }
    oc_progress_report(progress, what, split->count, split->count);
cleanup:
    for (int i = 0; l.decoder && i < threads; i++) oc_decoder_destroy(&l.decoder[i]);
    oc_free(l.decoder);
    return status;
}
