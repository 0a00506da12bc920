/* The packed cache's file, little-endian: pixels of all images one after the other from offset 0, then (at the next
 * multiple of 64) the index, the entries of skipped files, the texts, and last the trailer. A file cut anywhere has no
 * trailer at its end. */
#ifndef OC_DATA_PACK_FORMAT_H
#define OC_DATA_PACK_FORMAT_H

#include "base/file.h"
#include "data/kept.h"
#include "data/moments.h"
#include "data/pack.h"

/* Another one whenever the layout changes, or what images are decoded to. */
#define OC_PACK_MAGIC "OCPACK06"

/* `content`, here and below, is XXH3-64 of the file's bytes. */
typedef struct oc_pack_entry {
    uint64_t offset; /* of the pixels */
    uint64_t name;   /* of the name in the texts: from the split's folder on */
    uint64_t content;
    int32_t width, height, label, unused;
} oc_pack_entry;

/* A file that could not be decoded. When its `content` (0: unreadable) has changed, the pack is stale. */
typedef struct oc_pack_skip {
    uint64_t content, sample; /* sample: its place in the split */
    uint64_t reason;          /* in the texts */
} oc_pack_skip;

typedef struct oc_pack_trailer {
    char magic[8];
    uint64_t fingerprint, identity; /* of the data set */
    int64_t size;                   /* input size the pack was made for */
    uint64_t count, skipped;        /* images in the index, and files left out */
    uint64_t data_size;             /* bytes of pixels */
    uint64_t index_offset;          /* of the index; the skip entries and the texts follow it directly */
    uint64_t texts_size;
    uint64_t file_size;
    oc_moments moments; /* of all pixels */
    uint64_t index_sum; /* XXH3-64 from index_offset to the trailer */
    uint64_t data_sum;  /* XXH3-64 of the pixels */
    uint64_t sum;       /* XXH3-64 of the trailer up to here */
} oc_pack_trailer;

struct oc_pack {
    oc_mapping file;
    oc_pack_trailer trailer;
    const oc_pack_entry *entry;
    const oc_pack_skip *skip;
    const char *texts;
    char *path;
    oc_fit fit; /* as opened */
};

/* Writes the pack of `split` to `path`, atomically. OC_E_STOPPED when the progress says so. */
oc_status oc_pack_make(const oc_dataset *dataset, const oc_split *split, const char *path,
                       const oc_pack_options *options, oc_error *err);

/* Reads a sample's file and makes of it what a pack keeps; *content = XXH3-64 of its bytes, 0 when it cannot be read.
 * OC_E_IO, OC_E_FORMAT. */
oc_status oc_pack_prepare(oc_kept *kept, uint64_t *content, const oc_dataset *dataset, const oc_sample *sample,
                          oc_decoder *decoder, const oc_pack_options *options, oc_error *err);

/* XXH3-64 of one sample's bytes, 0 when it cannot be read. */
uint64_t oc_pack_content(const oc_dataset *dataset, const oc_sample *sample);

#endif
