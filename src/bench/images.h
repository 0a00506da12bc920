/* Generated images for a measurement. */
#ifndef OC_BENCH_IMAGES_H
#define OC_BENCH_IMAGES_H

#include "data/pack.h"

typedef struct oc_bench_images oc_bench_images;

/* Writes at least `count` generated training images into a temporary folder ($TMPDIR or /tmp), packs them for `size`,
 * and removes the folder again: the pack lives on in memory. OC_E_IO. */
oc_status oc_bench_images_create(oc_bench_images **out, int64_t count, int64_t size, oc_team *team, oc_error *err);
const oc_pack *oc_bench_images_pack(const oc_bench_images *images);
void oc_bench_images_destroy(oc_bench_images **images);

#endif
