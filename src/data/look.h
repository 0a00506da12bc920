/* Looking at every image of a split, as the statistics and the doctor of a data set both do. */
#ifndef OC_DATA_LOOK_H
#define OC_DATA_LOOK_H

#include "base/parallel.h"
#include "data/dataset.h"
#include "data/image/decode.h"

/* One file, as long as the call takes. */
typedef struct oc_look {
    const uint8_t *bytes;   /* NULL: it cannot be read */
    size_t size;            /* of them */
    const oc_pixels *image; /* NULL: it cannot be decoded */
    const oc_error *why;    /* of what cannot be read or decoded */
} oc_look;

/* Is told of the image at `place` in the split, of each once, in any order and by any thread of the team. */
typedef void (*oc_look_fn)(void *user, int64_t place, const oc_look *look, int worker);

/* Reads and decodes every image of the split, as `options` say (NULL: the defaults), and tells `fn` of it. What cannot
 * be decoded is no failure. OC_E_STOPPED, OC_E_MEMORY. */
oc_status oc_look_at(const oc_dataset *dataset, const oc_split *split, const oc_image_options *options, oc_team *team,
                     const oc_progress *progress, oc_look_fn fn, void *user, oc_error *err);

#endif
