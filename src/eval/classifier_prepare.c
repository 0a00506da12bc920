/* Preparing images for a classifier: each is decoded once for each way in which the networks that take part read
 * images, and made what a batch of evaluation is made of it. */
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "eval/classifier_internal.h"

oc_status oc_workshop_open(oc_workshop *shop, const oc_classifier *c, int64_t pixels_most, oc_error *err) {
    oc_status status = OC_OK;
    OC_TRY(oc_alloc(&shop->frames, c->preparation_count, sizeof *shop->frames, err));
    OC_TRY(oc_alloc(&shop->readings, c->preparation_count, sizeof *shop->readings, err));
    for (size_t i = 0; i < c->preparation_count; i++) {
        if (c->preparations[i].reading != i) continue;
        OC_TRY(oc_decoder_create(&shop->readings[i].decoder, &c->preparations[i].network->image, err));
        oc_decoder_limit(shop->readings[i].decoder, pixels_most);
    }
cleanup:
    return status;
}

void oc_workshop_close(oc_workshop *shop, size_t preparations) {
    oc_kept_free(&shop->kept);
    for (size_t i = 0; shop->readings && i < preparations; i++) oc_decoder_destroy(&shop->readings[i].decoder);
    for (size_t i = 0; shop->frames && i < preparations; i++) oc_resizer_destroy(&shop->frames[i].resizer);
    oc_free(shop->readings);
    oc_free(shop->frames);
}

/* Fills the pixels of the shop's `count` readings, decoding once for each that has a decoder. */
static oc_status item_read(const oc_classifier_item *item, oc_workshop *shop, size_t count, oc_error *err) {
    oc_status status = OC_OK;
    char *file = NULL;
    if (item->pixels) {
        if (item->width < 1 || item->height < 1 || item->width > OC_IMAGE_SIDE_LIMIT ||
            item->height > OC_IMAGE_SIDE_LIMIT)
            return oc_fail(err, OC_E_USAGE, item->where, "%lldx%lld is no image size", (long long)item->width,
                           (long long)item->height);
        for (size_t i = 0; i < count; i++)
            shop->readings[i].pixels = (oc_pixels){.data = item->pixels, .width = item->width, .height = item->height};
        return OC_OK;
    }
    const void *data = item->data;
    size_t size = item->size;
    if (item->path) {
        OC_TRY(oc_file_read(&file, &size, item->path, OC_IMAGE_FILE_LIMIT, err));
        data = file;
    }
    for (size_t i = 0; i < count; i++) {
        oc_reading *r = &shop->readings[i];
        if (!r->decoder) continue;
        OC_TRY(oc_decode(r->decoder, data, size, item->path ? item->path : item->where, &r->pixels, err));
    }
cleanup:
    oc_free(file);
    return status;
}

/* Makes the resizer large enough. */
static oc_status frame_reserve(oc_frame *f, int64_t width, int64_t height, int64_t size, oc_error *err) {
    oc_status status = OC_OK;
    if (f->resizer && width <= f->width && height <= f->height) return OC_OK;
    oc_resizer_destroy(&f->resizer);
    f->width = width > f->width ? width : f->width;
    f->height = height > f->height ? height : f->height;
    OC_TRY(oc_resizer_create(&f->resizer, f->width, f->height, size, size, err));
cleanup:
    return status;
}

/* Writes one decoded image as a network wants it. */
static oc_status prepare_image(const oc_pixels *pixels, const oc_model *network, oc_workshop *shop, oc_frame *f,
                               float *dst, oc_error *err) {
    oc_status status = OC_OK;
    OC_TRY(oc_kept_fill(&shop->kept, pixels, network->size, &network->image, err));
    oc_image image = {.pixels = shop->kept.pixels, .width = shop->kept.width, .height = shop->kept.height};
    OC_TRY(frame_reserve(f, image.width, image.height, network->size, err));
    oc_augmentation plain = oc_augmentation_plain(image.height, image.width, network->size, network->image.fit);
    oc_augmentation_apply(&plain, &image, network->size, network->mean, network->std, dst, f->resizer);
cleanup:
    return status;
}

/* Decodes an image, and prepares it in each way that is wanted, as row `row` of the batch. */
static oc_status prepare_item(const oc_classifier *c, oc_classifier_item *item, oc_workshop *shop, int64_t row,
                              oc_error *err) {
    oc_status status = OC_OK;
    OC_TRY(item_read(item, shop, c->preparation_count, err));
    item->width = shop->readings[0].pixels.width;
    item->height = shop->readings[0].pixels.height;
    for (size_t i = 0; i < c->preparation_count; i++) {
        const oc_preparation *p = &c->preparations[i];
        OC_TRY(prepare_image(&shop->readings[p->reading].pixels, p->network, shop, &shop->frames[i],
                             p->dst + (size_t)row * oc_classifier_elements(p->network), err));
    }
cleanup:
    return status;
}

typedef struct prepare_job {
    oc_classifier *classifier;
    oc_classifier_item *items;
} prepare_job;

static void prepare_range(void *user, int64_t begin, int64_t end, int worker) {
    const prepare_job *job = user;
    for (int64_t i = begin; i < end; i++) {
        oc_classifier_item *item = &job->items[i];
        item->status = prepare_item(job->classifier, item, &job->classifier->shops[worker], i, &item->error);
    }
}

void oc_classifier_prepare(oc_classifier *c, oc_classifier_item *items, int64_t count) {
    prepare_job job = {.classifier = c, .items = items};
    oc_parallel_for_dynamic(c->team, count, 1, prepare_range, &job);
    if (c->keep == 0) return;
    for (int i = 0; i < oc_team_threads(c->team); i++)
        for (size_t j = 0; j < c->preparation_count; j++)
            if (c->shops[i].readings[j].decoder) oc_decoder_trim(c->shops[i].readings[j].decoder, c->keep);
}
