/* What the doctor learns of a data set, for the findings to be made of it. */
#ifndef OC_DATA_DOCTOR_EXAMINATION_H
#define OC_DATA_DOCTOR_EXAMINATION_H

#include "base/json.h"
#include "data/dataset.h"
#include "data/doctor/groups.h"

#define OC_SPLITS_MOST 4

/* One file beside its picture. */
typedef struct oc_facts {
    int32_t width, height; /* 0: it cannot be decoded */
    int32_t grey_rows;     /* at the lower end, of the grey that decoders make of what is missing */
    oc_color color;
    const char *format; /* what it is where its name says something else; NULL: it says that, or nothing */
    bool no_image;      /* by its content, of what cannot be decoded */
    char *reason;       /* why it cannot */
} oc_facts;

typedef struct oc_examination {
    const oc_dataset *dataset;
    int64_t size; /* of the inputs */
    const oc_split *split[OC_SPLITS_MOST];
    int splits;
    /* The images of all splits, one after the other. */
    size_t begin[OC_SPLITS_MOST + 1], count;
    oc_facts *facts;
    oc_picture *picture;
    oc_groups groups;
    int64_t usual_area;               /* the median of the decoded; 0: there are none */
    int64_t of_color[OC_COLOR_COUNT]; /* images */
} oc_examination;

/* The file of image i. */
const oc_sample *oc_examination_sample(const oc_examination *e, size_t i);
/* Images of each class in a split: count[classes], zeroed. */
void oc_examination_classes(const oc_examination *e, int split, int64_t *count);

/* Adds to `root` what ocelli/data.h's oc_data_doctor says of findings and of balance. OC_E_MEMORY. */
oc_status oc_findings_put(json_t *root, const oc_examination *e, oc_error *err);
oc_status oc_balance_put(json_t *root, const oc_examination *e, oc_error *err);

#endif
