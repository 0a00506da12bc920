/* The packed cache: every image of a split decoded once to RGB uint8 and mapped into memory. One file a split in the
 * cache folder, named after the data set's path, split, size, how images are read and fingerprint; made in parallel
 * when first needed, written beside and renamed, so that two processes may start at once. */
#ifndef OC_DATA_PACK_H
#define OC_DATA_PACK_H

#include "base/parallel.h"
#include "data/dataset.h"
#include "data/kept.h"
#include "data/moments.h"

typedef struct oc_pack oc_pack;

typedef struct oc_pack_options {
    int64_t size;                  /* recipe's input size: larger images are kept with the shorter side 1.25 × size */
    const oc_image_options *image; /* how files are read; NULL: OC_IMAGE_OPTIONS_DEFAULT */
    const char *cache;             /* cache folder; NULL: $XDG_CACHE_HOME/ocelli or ~/.cache/ocelli */
    bool skip_bad;                 /* leave undecodable images out (logged, with their number) instead of refusing */
    oc_team *team;                 /* borrowed, only while opening */
    oc_progress progress;
    oc_log log; /* up to 20 bad files with reasons, classes that lose all */
} oc_pack_options;

/* Changes with what packs hold of the same images: "OCPACK06". Static. */
const char *oc_pack_version(void);

/* One image: pixels [height, width, 3] uint8 RGB, in the mapping. */
typedef struct oc_image {
    const uint8_t *pixels;
    int32_t width, height;
    int32_t label;    /* class number, −1 for test images */
    uint64_t content; /* XXH3-64 of the file's bytes */
    const char *name; /* path from the split's folder on ("n01443537/images/n01443537_0.JPEG") */
} oc_image;

/* Opens the pack of a split of the data set, making it if it is absent or stale. The data set is borrowed and outlives
 * the pack. OC_E_FORMAT when images cannot be decoded and !skip_bad; OC_E_NOT_FOUND for an absent split. */
oc_status oc_pack_open(oc_pack **out, const oc_dataset *dataset, const char *split, const oc_pack_options *options,
                       oc_error *err);
void oc_pack_destroy(oc_pack **pack);
int64_t oc_pack_count(const oc_pack *pack);
oc_image oc_pack_image(const oc_pack *pack, int64_t index);
/* *out = the content of every image [count], to be freed with oc_free. OC_E_MEMORY. */
oc_status oc_pack_contents(uint64_t **out, const oc_pack *pack, oc_error *err);
/* How its images were made square. */
oc_fit oc_pack_fit(const oc_pack *pack);
/* What evaluation does not show of its images; nothing where they are kept whole. */
oc_cropped oc_pack_cropped(const oc_pack *pack);
/* Of all its pixels. */
oc_moments oc_pack_moments(const oc_pack *pack);
/* Asks the system to bring images [index of each] into memory soon; a hint. */
void oc_pack_prefetch(const oc_pack *pack, const uint32_t *index, int64_t count);
/* Images left out as undecodable. */
int64_t oc_pack_skipped(const oc_pack *pack);
/* Checks the stored checksum of every byte, and then decodes images anew from their files and compares them: as many as
 * `sample`, chosen by chance, or, where that is no fewer, all; *compared = their number. The pack is of that split of
 * the data set, opened by `options`. OC_E_FORMAT names the first that differs; OC_E_STOPPED. */
oc_status oc_pack_verify(const oc_pack *pack, const oc_dataset *dataset, const char *split,
                         const oc_pack_options *options, int64_t sample, int64_t *compared, oc_error *err);

#endif
