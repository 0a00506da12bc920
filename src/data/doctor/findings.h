/* The findings as a table: what each is called, how grave it is, what to do, and how it is found. */
#ifndef OC_DATA_DOCTOR_FINDINGS_H
#define OC_DATA_DOCTOR_FINDINGS_H

#include "data/doctor/examination.h"

#define OC_WHY_SIZE 200

/* One finding as it is made: its items, how many things they stand for, and the images of each split in them. */
typedef struct oc_finding {
    const oc_examination *e;
    json_t *items; /* list of {"why", "files" or "classes"} */
    int64_t count;
    int64_t images[OC_SPLITS_MOST];
} oc_finding;

/* Adds an item: image i alone. */
oc_status oc_finding_add_image(oc_finding *f, size_t i, const char *why, oc_error *err);
/* Images that belong together, with the number of the picture that each shows. */
oc_status oc_finding_add_group(oc_finding *f, const uint32_t *member, size_t count, const char *why, oc_error *err);
/* Classes; `split` (NULL: none) where that is so. Takes the reference to the list of codes, also on failure. */
oc_status oc_finding_add_classes(oc_finding *f, json_t *classes, const char *split, const char *why, oc_error *err);
/* `count` files, of which the path of the first is known; label −1: of no class. */
oc_status oc_finding_add_files(oc_finding *f, const char *split, int32_t label, const char *first, int64_t count,
                               const char *why, oc_error *err);

/* A row. One of the functions is there, which finds it: of an image by itself, whether it is one, and the reason; of
 * the images of one picture (with `mirror`: and of its mirror images); of all at once. */
typedef struct oc_finding_kind {
    const char *key, *severity, *title, *advice;
    bool (*of_image)(const oc_examination *e, size_t i, char why[OC_WHY_SIZE]);
    bool (*of_group)(const oc_examination *e, const uint32_t *member, size_t count);
    bool mirror;
    oc_status (*of_all)(oc_finding *f, oc_error *err);
} oc_finding_kind;

/* The rules of the table, by what they look at. */
bool oc_rule_broken(const oc_examination *e, size_t i, char why[OC_WHY_SIZE]);
bool oc_rule_no_image(const oc_examination *e, size_t i, char why[OC_WHY_SIZE]);
bool oc_rule_grey_below(const oc_examination *e, size_t i, char why[OC_WHY_SIZE]);
bool oc_rule_flat(const oc_examination *e, size_t i, char why[OC_WHY_SIZE]);
bool oc_rule_long(const oc_examination *e, size_t i, char why[OC_WHY_SIZE]);
bool oc_rule_small(const oc_examination *e, size_t i, char why[OC_WHY_SIZE]);
bool oc_rule_size(const oc_examination *e, size_t i, char why[OC_WHY_SIZE]);
bool oc_rule_ending(const oc_examination *e, size_t i, char why[OC_WHY_SIZE]);
bool oc_rule_colour(const oc_examination *e, size_t i, char why[OC_WHY_SIZE]);
bool oc_rule_leak(const oc_examination *e, const uint32_t *member, size_t count);
bool oc_rule_near_leak(const oc_examination *e, const uint32_t *member, size_t count);
bool oc_rule_two_classes(const oc_examination *e, const uint32_t *member, size_t count);
bool oc_rule_near_two_classes(const oc_examination *e, const uint32_t *member, size_t count);
bool oc_rule_copies(const oc_examination *e, const uint32_t *member, size_t count);
bool oc_rule_near_copies(const oc_examination *e, const uint32_t *member, size_t count);
bool oc_rule_mirrored(const oc_examination *e, const uint32_t *member, size_t count);
oc_status oc_rule_class_names(oc_finding *f, oc_error *err);
oc_status oc_rule_class_missing(oc_finding *f, oc_error *err);
oc_status oc_rule_class_few(oc_finding *f, oc_error *err);
oc_status oc_rule_imbalance(oc_finding *f, oc_error *err);
oc_status oc_rule_not_read(oc_finding *f, oc_error *err);
oc_status oc_rule_beside(oc_finding *f, oc_error *err);

#endif
