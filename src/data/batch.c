/* The batcher: sampler, augmentation in parallel, mixup (Zhang et al., "mixup: Beyond Empirical Risk Minimization",
 * ICLR 2018; one λ a batch, as in its authors' code). Each row is computed by one worker from a random stream of its
 * own, and mixing is elementwise, so that the bits do not depend on the number of threads. */
#include "data/batch.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/augment.h"
#include "kernels/elementwise.h"

struct oc_batcher {
    const oc_pack *pack;
    oc_team *team;
    oc_batch_options options;
    int64_t images, batches;
    int64_t epoch;        /* that `order` is of; −1: none yet */
    uint32_t *order;      /* [images]: the epoch's samples in turn */
    uint32_t *partner;    /* [batch_size]: mixup's permutation */
    float *clean;         /* [batch_size, 3, S, S]: the rows before mixup; NULL without it */
    oc_resizer **resizer; /* [threads] */
    oc_targets targets;
};

oc_status oc_batch_options_check(const oc_batch_options *o, int64_t images, oc_error *err) {
    if (o->batch_size < 1 || o->batch_size > INT32_MAX)
        return oc_fail(err, OC_E_USAGE, "train.batch_size", "%lld is no batch size", (long long)o->batch_size);
    if (o->size < 1 || o->size > INT16_MAX)
        return oc_fail(err, OC_E_USAGE, "data.size", "%lld is no image size", (long long)o->size);
    if (!(o->mixup_alpha >= 0.0)) return oc_fail(err, OC_E_USAGE, "mixup.alpha", "%g is negative", o->mixup_alpha);
    for (int c = 0; c < 3; c++)
        if (!(o->std[c] > 0.0f)) return oc_fail(err, OC_E_USAGE, "data.std", "%g is not above 0", (double)o->std[c]);
    if (images > UINT32_MAX) return oc_fail(err, OC_E_USAGE, NULL, "more than 2^32 images");
    if (o->drop_last && images < o->batch_size)
        return oc_fail(err, OC_E_USAGE, "train.batch_size",
                       "a batch of %lld is more than the %lld images there are: give a smaller one",
                       (long long)o->batch_size, (long long)images);
    return OC_OK;
}

oc_status oc_batcher_create(oc_batcher **out, const oc_pack *pack, const oc_batch_options *options, oc_team *team,
                            oc_error *err) {
    oc_status status = OC_OK;
    oc_batcher *batcher = NULL;
    int64_t images = oc_pack_count(pack);
    size_t rows = (size_t)options->batch_size, row;
    int threads = oc_team_threads(team);
    int32_t height = 1, width = 1;
    *out = NULL;
    OC_TRY(oc_batch_options_check(options, images, err));
    OC_TRY(oc_alloc(&batcher, 1, sizeof *batcher, err));
    batcher->pack = pack;
    batcher->team = team;
    batcher->options = *options;
    batcher->images = images;
    batcher->batches = images / options->batch_size + (!options->drop_last && images % options->batch_size != 0);
    batcher->epoch = -1;
    for (int64_t i = 0; i < images; i++) {
        oc_image image = oc_pack_image(pack, i);
        if (image.height > height) height = image.height;
        if (image.width > width) width = image.width;
    }
    OC_TRY(oc_alloc(&batcher->resizer, (size_t)threads, sizeof *batcher->resizer, err));
    for (int i = 0; i < threads; i++)
        OC_TRY(oc_resizer_create(&batcher->resizer[i], width, height, options->size, options->size, err));
    OC_TRY(oc_alloc(&batcher->order, (size_t)images, sizeof *batcher->order, err));
    OC_TRY(oc_alloc(&batcher->targets.label, rows, sizeof *batcher->targets.label, err));
    OC_TRY(oc_alloc(&batcher->targets.mixed, rows, sizeof *batcher->targets.mixed, err));
    OC_TRY(oc_alloc(&batcher->targets.sample, rows, sizeof *batcher->targets.sample, err));
    row = 3 * (size_t)options->size * (size_t)options->size * sizeof *batcher->clean;
    if (options->mixup_alpha > 0.0) {
        OC_TRY(oc_alloc(&batcher->partner, rows, sizeof *batcher->partner, err));
        OC_TRY(oc_alloc(&batcher->clean, rows, row, err));
    }
    *out = batcher;
    batcher = NULL;
cleanup:
    oc_batcher_destroy(&batcher);
    return status;
}

void oc_batcher_destroy(oc_batcher **batcher) {
    if (!batcher || !*batcher) return;
    oc_free((*batcher)->order);
    oc_free((*batcher)->partner);
    oc_free((*batcher)->clean);
    if ((*batcher)->resizer)
        for (int i = 0; i < oc_team_threads((*batcher)->team); i++) oc_resizer_destroy(&(*batcher)->resizer[i]);
    oc_free((*batcher)->resizer);
    oc_free((*batcher)->targets.label);
    oc_free((*batcher)->targets.mixed);
    oc_free((*batcher)->targets.sample);
    oc_free(*batcher);
    *batcher = NULL;
}

int64_t oc_batcher_count(const oc_batcher *batcher) {
    return batcher->batches;
}

static void order_draw(oc_batcher *batcher, int64_t epoch) {
    if (batcher->epoch == epoch) return;
    if (batcher->options.shuffle) {
        oc_random random;
        oc_random_init(&random, batcher->options.seed, OC_RANDOM_SHUFFLE, (uint32_t)epoch, 0);
        oc_random_permutation(&random, batcher->order, (uint32_t)batcher->images);
    } else if (batcher->epoch < 0) {
        for (int64_t i = 0; i < batcher->images; i++) batcher->order[i] = (uint32_t)i;
    }
    batcher->epoch = epoch;
}

/* One call of the two parallel loops. */
typedef struct fill {
    oc_batcher *batcher;
    float *dst;
} fill;

static void rows_render(void *user, int64_t begin, int64_t end, int worker) {
    const fill *fill = user;
    oc_batcher *batcher = fill->batcher;
    const oc_batch_options *options = &batcher->options;
    for (int64_t i = begin; i < end; i++) {
        uint32_t sample = batcher->targets.sample[i];
        oc_image image = oc_pack_image(batcher->pack, sample);
        oc_augmentation augmentation;
        if (options->augment) {
            oc_random random;
            oc_random_init(&random, options->seed, OC_RANDOM_AUGMENT, (uint32_t)batcher->epoch, sample);
            augmentation = oc_augmentation_draw(&random, image.height, image.width);
        } else {
            augmentation = oc_augmentation_plain(image.height, image.width, options->size, oc_pack_fit(batcher->pack));
            augmentation.flip = options->mirror;
        }
        oc_augmentation_apply(&augmentation, &image, options->size, options->mean, options->std,
                              fill->dst + i * 3 * options->size * options->size, batcher->resizer[worker]);
    }
}

static void rows_mix(void *user, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const fill *fill = user;
    const oc_batcher *batcher = fill->batcher;
    int64_t row = 3 * batcher->options.size * batcher->options.size;
    float lambda = (float)batcher->targets.lambda, rest = 1.0f - lambda;
    const oc_elementwise_kernels *kernels = oc_kernels_now()->elementwise;
    for (int64_t i = begin; i < end; i++) {
        kernels->blend(fill->dst + i * row, lambda, batcher->clean + i * row, rest,
                       batcher->clean + batcher->partner[i] * row, row);
    }
}

void oc_batcher_fill(oc_batcher *batcher, int64_t epoch, int64_t index, float *dst, oc_targets *targets) {
    const oc_batch_options *options = &batcher->options;
    oc_targets *t = &batcher->targets;
    int64_t first = index * options->batch_size, left = batcher->images - first;
    int64_t row = 3 * options->size * options->size;
    order_draw(batcher, epoch);
    t->rows = left < options->batch_size ? left : options->batch_size;
    t->lambda = 1.0;
    for (int64_t i = 0; i < t->rows; i++) {
        t->sample[i] = batcher->order[first + i];
        t->label[i] = t->mixed[i] = oc_pack_image(batcher->pack, t->sample[i]).label;
    }
    bool mix = options->mixup_alpha > 0.0;
    fill render = {batcher, mix ? batcher->clean : dst};
    oc_parallel_for_dynamic(batcher->team, t->rows, 2, rows_render, &render);
    if (mix) {
        oc_random random;
        oc_random_init(&random, options->seed, OC_RANDOM_MIXUP, (uint32_t)epoch, (uint64_t)index);
        t->lambda = oc_random_beta(&random, options->mixup_alpha, options->mixup_alpha);
        oc_random_permutation(&random, batcher->partner, (uint32_t)t->rows);
        for (int64_t i = 0; i < t->rows; i++) t->mixed[i] = t->label[batcher->partner[i]];
        fill blend = {batcher, dst};
        oc_parallel_for(batcher->team, t->rows, 1, rows_mix, &blend);
    }
    memset(dst + t->rows * row, 0, (size_t)((options->batch_size - t->rows) * row) * sizeof *dst);
    if (index + 1 < batcher->batches) {
        int64_t next = first + options->batch_size, after = batcher->images - next;
        oc_pack_prefetch(batcher->pack, batcher->order + next,
                         after < options->batch_size ? after : options->batch_size);
    }
    *targets = *t;
}
