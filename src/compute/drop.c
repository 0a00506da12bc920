/* What is dropped in training: whole images (stochastic depth) or single elements. An image's numbers are a stream of
 * their own and elements take them in PyTorch's order, so that they depend on neither threads nor layouts. The
 * workspace holds a factor for each image, or a byte for each element. */
#include "compute/drop.h"

#include <string.h>

#include "base/error.h"
#include "base/random.h"
#include "compute/internal.h"
#include "kernels/elementwise.h"

typedef struct drop {
    oc_primitive primitive;
    oc_drop_spec spec;
    oc_map map;
    int64_t row;  /* elements of an image */
    float factor; /* of what is kept */
} drop;

/* Image n of `from` times its factors into `to`. */
static void apply(const drop *d, oc_slot to, oc_slot from, int64_t n) {
    const oc_primitive *p = &d->primitive;
    const oc_elementwise_kernels *kernels = p->kernels->elementwise;
    const int64_t first = n * d->row;
    void *dst = oc_primitive_at(p, to, first);
    const void *src = oc_primitive_at(p, from, first);
    if (d->spec.elements)
        kernels->scale_kept(dst, src, oc_primitive_at(p, OC_SLOT_WORKSPACE, first), d->factor, d->row);
    else
        kernels->scale(dst, src, ((const float *)p->data[OC_SLOT_WORKSPACE])[n], d->row);
}

static bool keeps(const drop *d, oc_random *random) {
    return (double)oc_random_u32(random) * 0x1p-32 >= d->spec.p;
}

static void draw(const drop *d, int64_t n) {
    void *const *data = d->primitive.data;
    const oc_draw *key = data[OC_SLOT_DRAW];
    const oc_map *map = &d->map;
    oc_random random;
    oc_random_init(&random, key->seed, OC_RANDOM_DROP, (uint32_t)key->step,
                   (uint64_t)d->spec.stream << 32 | (uint64_t)n);
    if (!d->spec.elements) {
        ((float *)data[OC_SLOT_WORKSPACE])[n] = keeps(d, &random) ? d->factor : 0;
        return;
    }
    uint8_t *image = (uint8_t *)data[OC_SLOT_WORKSPACE] + n * d->row;
    if (map->channels % map->block) memset(image, 0, (size_t)d->row);
    for (int64_t c = 0; c < map->channels; c++) {
        uint8_t *channel = image + c / map->block * map->block_stride + c % map->block;
        for (int64_t i = 0; i < map->h * map->w; i++) channel[i * map->block] = keeps(d, &random);
    }
}

static void forward_task(void *user, int64_t begin, int64_t end, int worker) {
    (void)worker;
    for (int64_t n = begin; n < end; n++) {
        draw(user, n);
        apply(user, OC_SLOT_DST, OC_SLOT_SRC, n);
    }
}

static oc_status forward_execute(const oc_primitive *primitive, oc_error *err) {
    (void)err;
    oc_primitive_for(primitive, ((const drop *)primitive)->map.images, 1, forward_task);
    return OC_OK;
}

static void backward_task(void *user, int64_t begin, int64_t end, int worker) {
    (void)worker;
    for (int64_t n = begin; n < end; n++) apply(user, OC_SLOT_DIFF_SRC, OC_SLOT_DIFF_DST, n);
}

static oc_status backward_execute(const oc_primitive *primitive, oc_error *err) {
    (void)err;
    oc_primitive_for(primitive, ((const drop *)primitive)->map.images, 1, backward_task);
    return OC_OK;
}

static oc_status create(oc_primitive **out, oc_engine *engine, const char *layer, const char *what,
                        const oc_primitive_type *type, const oc_drop_spec *spec, const oc_layout *layout,
                        oc_error *err) {
    oc_status status = OC_OK;
    drop *made = NULL;
    oc_map map;
    *out = NULL;
    OC_TRY(oc_primitive_map(&map, layout, layer, what, err));
    OC_TRY(oc_primitive_create(&made, type, engine, layout->dtype, layer, what, err));
    *out = &made->primitive;
    made->spec = *spec;
    made->map = map;
    made->row = map.image_stride;
    made->factor = (float)(1 / (1 - spec->p));
    made->primitive.layout[OC_SLOT_WORKSPACE] =
        spec->elements ? oc_layout_vector(OC_U8, oc_layout_count(layout)) : oc_layout_vector(OC_F32, map.images);
cleanup:
    return status;
}

oc_status oc_drop_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_drop_spec *spec,
                                 const oc_layout *layout, oc_error *err) {
    static const oc_primitive_type type = {.size = sizeof(drop), .execute = forward_execute};
    const oc_status status = create(out, engine, layer, "dropping forward", &type, spec, layout, err);
    if (status != OC_OK) return status;
    (*out)->layout[OC_SLOT_DRAW] = oc_layout_vector(OC_U8, (int64_t)sizeof(oc_draw));
    (*out)->layout[OC_SLOT_SRC] = (*out)->layout[OC_SLOT_DST] = *layout;
    return OC_OK;
}

oc_status oc_drop_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_drop_spec *spec,
                                  const oc_layout *layout, oc_error *err) {
    static const oc_primitive_type type = {.size = sizeof(drop), .execute = backward_execute};
    const oc_status status = create(out, engine, layer, "dropping backward", &type, spec, layout, err);
    if (status == OC_OK) (*out)->layout[OC_SLOT_DIFF_DST] = (*out)->layout[OC_SLOT_DIFF_SRC] = *layout;
    return status;
}
