/* Tools on data sets: what is in one, packing, and a generated one. */
#ifndef OCELLI_DATA_H
#define OCELLI_DATA_H

#include "ocelli/ocelli.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The human name of a class code from a data set's words.txt ("goldfish, Carassius auratus"); the code itself where
 * there is none, or words.txt was not to be read. Owned by the data set, or `code`. */
OC_API const char *oc_dataset_class_name(const oc_dataset *dataset, const char *code);

/* How many classes the data set has. */
OC_API size_t oc_dataset_class_count(const oc_dataset *dataset);
/* The class code at `index`, in bytewise order; NULL beyond the count. Owned by the data set. */
OC_API const char *oc_dataset_class(const oc_dataset *dataset, size_t index);

/* What of a packed cache is checked: every byte against its checksum, and some hundred images, chosen by chance, or
 * all, decoded anew and compared. */
typedef enum oc_verify { OC_VERIFY_NOTHING, OC_VERIFY_SAMPLE, OC_VERIFY_ALL } oc_verify;

/* What oc_data_info and oc_data_pack are to do. All zero: the defaults that are named. */
typedef struct oc_data_options {
    int64_t size;                  /* input size the pack is for; 0: 64 */
    const oc_image_options *image; /* how images are read, as oc_recipe_image_options has it; NULL: the defaults */
    const char *cache;             /* packed cache's folder; NULL: the user's */
    int threads;                   /* 0: all */
    bool skip_bad;                 /* leave undecodable images out */
    oc_verify verify;              /* of oc_data_pack */
    oc_progress progress;          /* decoding, packing, verifying */
    oc_log log;                    /* what was left out, what is odd */
} oc_data_options;

/* Statistics of a whole data set as JSON text (freed with oc_data_free): path, classes, and per split images, images
 * per class (min, max, and each), sizes ("64x64": count, as images are seen), colour modes, how many images state an
 * orientation other than the usual one ("turned", also where data.exif leaves them as stored), have at least one pixel
 * that is not opaque ("transparent"), more than 8 bits a sample ("wide"), further frames or pages behind the first,
 * which alone is seen ("several"), the average share of their areas outside of the central square ("cropped", 0 to 1; a
 * warning where data.fit crops and it is more than a third), undecodable files (up to 20 with reasons, and their
 * number), per-channel mean and std on [0, 1]. Decodes every image, so it also finds the bad ones without failing on
 * them, and what was left out when the data set was opened (links that lead nowhere, formats that are not read), which
 * is logged, too:
 *     {"path", "classes": [code], "class_names": {code: human name}, "splits": {"train": {
 *          "folder", "images", "images_per_class": {"min", "max", "each": {code: count}}, "sizes": {"64x64": count},
 *          "colour_modes": {"rgb"|"grey"|"palette"|"rgba"|"grey+alpha"|"cmyk": count},
 *          "turned", "transparent", "wide", "several", "cropped",
 *          "undecodable": {"count", "files": [{"name", "reason"}]},
 *          "left_out": {"count", "all", "first", "reason", "reasons": {reason: count}, "classes": {code: count}},
 *          "mean": [3], "std": [3]}, …}, "elsewhere": as left_out}
 * left_out and elsewhere (outside all splits) are what is there and was not read: with the images that is all. "all"
 * counts everything, "count" what one would have expected to be an image, of which "first" is the first. Absent splits
 * have no key, test images without labels no images_per_class; mean and std are empty without pixels. Bytes of names
 * that are not UTF-8 are shown as '?'. */
OC_API oc_status oc_data_info(char **json, const oc_dataset *dataset, const oc_data_options *options, oc_error *err);
/* Frees what oc_data_info gave; takes NULL. */
OC_API void oc_data_free(char *json);

/* What is wrong with a data set, as JSON text (freed with oc_data_free): looks at every image, of options->size, image,
 * threads, progress and log, and compares all with all.
 *     {"path", "size", "classes": count, "images": {split: count},
 *      "balance": {split: {"least": {"class", "images"}, "most": {"class", "images"}, "effective_classes"}},
 *      "serious", "warning", "note": what there is of each severity, the sum of the findings' counts,
 *      "findings": [{"kind", "severity", "title", "advice", "count", "images": {split: count}, "items": [
 *           {"files": [{"path", "split", "class", "picture"}] or "classes": [code], "split", "why"}]}]}
 * Findings are those that were found, the gravest first; kinds, thresholds and what each means: docs/data.md. Items are
 * all of them, none is left out; "count" is theirs, but where files were not read only the first of each kind is known,
 * and "why" says of how many. "images" are those of each split in the items. "picture" numbers what an item shows:
 * files of the same number have the same pixels. "split" and "class" are null where there is none; "why" may be empty;
 * "effective_classes" is how many classes of equal numbers would be as even. The text does not depend on the threads.
 * It takes some 1.2 kB of memory an image. Names that are not UTF-8 are shown as above. OC_E_STOPPED, OC_E_MEMORY. */
OC_API oc_status oc_data_doctor(char **json, const oc_dataset *dataset, const oc_data_options *options, oc_error *err);

/* Makes (or opens) the packed cache of every split; with verify, checks it. */
OC_API oc_status oc_data_pack(const oc_dataset *dataset, const oc_data_options *options, oc_error *err);

/* How much is generated. All zero: the defaults that are named. */
typedef struct oc_demo_options {
    int classes;          /* 2 … 1000; 0: 10 */
    int per_class;        /* training images a class, 1 … 100000; 0: 200. Validation: a fifth of it, at least 5 */
    uint64_t seed;        /* another seed, other images */
    int threads;          /* 0: all */
    oc_progress progress; /* writing images */
    oc_log log;           /* told what is worth knowing */
} oc_demo_options;

/* Writes a generated data set in Tiny ImageNet's layout (64×64 JPEG, words.txt, wnids.txt, val_annotations.txt) into
 * `folder`, which must be absent or empty (OC_E_EXISTS). A function of the options alone. */
OC_API oc_status oc_data_demo(const char *folder, const oc_demo_options *options, oc_error *err);

#ifdef __cplusplus
}
#endif

#endif
