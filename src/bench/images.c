/* Generated images for a measurement. */
#define _GNU_SOURCE 1
#include "bench/images.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "ocelli/data.h"

#define CLASSES 10

struct oc_bench_images {
    char *folder, *data, *cache;
    oc_dataset *dataset;
    oc_pack *pack;
};

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *place) {
    (void)info;
    (void)type;
    (void)place;
    remove(path); /* what cannot be removed stays in the system's temporary folder */
    return 0;
}

/* Removes the folder with all that is in it. */
static void remove_folder(oc_bench_images *images) {
    if (images->folder) nftw(images->folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    oc_free(images->folder);
    images->folder = NULL;
}

oc_status oc_bench_images_create(oc_bench_images **out, int64_t count, int64_t size, oc_team *team, oc_error *err) {
    oc_status status = OC_OK;
    oc_bench_images *images = NULL;
    char *folder = NULL;
    const char *parent = getenv("TMPDIR");
    *out = NULL;
    OC_TRY(oc_alloc(&images, 1, sizeof *images, err));
    OC_TRY(oc_path_join(&folder, parent && *parent ? parent : "/tmp", "ocelli-bench-XXXXXX", err));
    if (!mkdtemp(folder)) {
        status = oc_fail(err, OC_E_IO, folder, "cannot make a temporary folder: %s", strerror(errno));
        goto cleanup;
    }
    images->folder = folder;
    folder = NULL;
    OC_TRY(oc_path_join(&images->data, images->folder, "data", err));
    OC_TRY(oc_path_join(&images->cache, images->folder, "cache", err));
    oc_demo_options demo = {
        .classes = CLASSES, .per_class = (int)((count + CLASSES - 1) / CLASSES), .threads = oc_team_threads(team)};
    OC_TRY(oc_data_demo(images->data, &demo, err));
    OC_TRY(oc_dataset_open(&images->dataset, images->data, NULL, err));
    oc_pack_options pack = {.size = size, .cache = images->cache, .team = team};
    OC_TRY(oc_pack_open(&images->pack, images->dataset, "train", &pack, err));
    /* The pack stays mapped. What is gone already cannot be left behind by a measurement that is interrupted. */
    remove_folder(images);
    *out = images;
    images = NULL;
cleanup:
    oc_free(folder);
    oc_bench_images_destroy(&images);
    return status;
}

const oc_pack *oc_bench_images_pack(const oc_bench_images *images) {
    return images->pack;
}

void oc_bench_images_destroy(oc_bench_images **images) {
    oc_bench_images *i = *images;
    if (!i) return;
    oc_pack_destroy(&i->pack);
    oc_dataset_destroy(&i->dataset);
    remove_folder(i);
    oc_free(i->data);
    oc_free(i->cache);
    oc_free(i);
    *images = NULL;
}
