/* Comparing a pack with what it was made of. */
#include <string.h>
#include <time.h>
#include <xxhash.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "data/pack_format.h"

#define CHUNK 256 /* images between two progress reports */
#define GRAIN 4

typedef struct verifier {
    const oc_pack *pack;
    const oc_dataset *dataset;
    const oc_split *split;
    const oc_pack_options *options;
    uint32_t *order;  /* [count]: images of the pack, those to compare first */
    uint32_t *sample; /* [count]: their places in the split */
    bool *differs;    /* [count], by place in `order` */
    oc_decoder **decoder;
    oc_kept *kept; /* [threads], as decoder */
    int64_t begin; /* of the chunk */
} verifier;

static void compare_range(void *user, int64_t begin, int64_t end, int worker) {
    const verifier *v = user;
    for (int64_t i = v->begin + begin; i < v->begin + end; i++) {
        const oc_image image = oc_pack_image(v->pack, v->order[i]);
        const oc_sample *sample = &v->split->sample[v->sample[v->order[i]]];
        oc_kept *kept = &v->kept[worker];
        uint64_t content;
        v->differs[i] =
            oc_pack_prepare(kept, &content, v->dataset, sample, v->decoder[worker], v->options, NULL) != OC_OK ||
            content != image.content || kept->width != image.width || kept->height != image.height ||
            memcmp(kept->pixels, image.pixels, (size_t)image.width * (size_t)image.height * 3) != 0;
    }
}

/* Finds the split's sample of each image: all but those that were left out, in the same order. */
static void samples_find(const verifier *v) {
    uint64_t image = 0, skipped = 0;
    for (int64_t s = 0; s < v->split->count && image < v->pack->trailer.count; s++) {
        if (skipped < v->pack->trailer.skipped && v->pack->skip[skipped].sample == (uint64_t)s)
            skipped++;
        else
            v->sample[image++] = (uint32_t)s;
    }
}

/* Another choice each time: what one call does not see, another may. */
static void order_draw(const verifier *v, int64_t count) {
    struct timespec now = {0};
    oc_random random;
    timespec_get(&now, TIME_UTC);
    oc_random_init(&random, (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec, OC_RANDOM_SHUFFLE, 0, 0);
    oc_random_permutation(&random, v->order, (uint32_t)count);
}

static oc_status compare(verifier *v, int64_t count, oc_error *err) {
    int64_t different = 0, first = 0;
    for (v->begin = 0; v->begin < count; v->begin += CHUNK) {
        const int64_t left = count - v->begin;
        if (!oc_progress_report(&v->options->progress, "compare", v->begin, count))
            return oc_fail(err, OC_E_STOPPED, NULL, "stopped while comparing %s with its cache", v->split->name);
        oc_parallel_for_dynamic(v->options->team, left < CHUNK ? left : CHUNK, GRAIN, compare_range, v);
    }
    oc_progress_report(&v->options->progress, "compare", count, count);
    for (int64_t i = count; i-- > 0;)
        if (v->differs[i]) {
            different++;
            first = i;
        }
    if (different == 0) return OC_OK;
    return oc_fail(
        err, OC_E_FORMAT, v->pack->path,
        "stale cache: of %lld images of %s that were decoded anew, %lld are others than it has, the first is %s; "
        "delete it and it is made again",
        (long long)count, v->split->name, (long long)different, v->split->sample[v->sample[v->order[first]]].path);
}

oc_status oc_pack_verify(const oc_pack *pack, const oc_dataset *dataset, const char *split,
                         const oc_pack_options *options, int64_t sample, int64_t *compared, oc_error *err) {
    oc_status status = OC_OK;
    verifier v = {.pack = pack, .dataset = dataset, .split = oc_dataset_split(dataset, split), .options = options};
    const int64_t images = oc_pack_count(pack);
    const int threads = options->team ? oc_team_threads(options->team) : 1;
    *compared = sample < images ? sample : images;
    if (XXH3_64bits(pack->file.data, pack->trailer.data_size) != pack->trailer.data_sum)
        return oc_fail(err, OC_E_FORMAT, pack->path,
                       "damaged cache: its pixels are not those that were written; delete it and it is made again");
    OC_TRY(oc_alloc(&v.order, (size_t)images, sizeof *v.order, err));
    OC_TRY(oc_alloc(&v.sample, (size_t)images, sizeof *v.sample, err));
    OC_TRY(oc_alloc(&v.differs, (size_t)images, sizeof *v.differs, err));
    OC_TRY(oc_alloc(&v.decoder, (size_t)threads, sizeof(*v.decoder), err));
    OC_TRY(oc_alloc(&v.kept, (size_t)threads, sizeof *v.kept, err));
    for (int i = 0; i < threads; i++) OC_TRY(oc_decoder_create(&v.decoder[i], options->image, err));
    samples_find(&v);
    order_draw(&v, images);
    status = compare(&v, *compared, err);
cleanup:
    for (int i = 0; v.kept && i < threads; i++) oc_kept_free(&v.kept[i]);
    for (int i = 0; v.decoder && i < threads; i++) oc_decoder_destroy(&v.decoder[i]);
    oc_free(v.kept);
    oc_free(v.decoder);
    oc_free(v.differs);
    oc_free(v.sample);
    oc_free(v.order);
    return status;
}
