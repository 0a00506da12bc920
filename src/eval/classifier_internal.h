/* What a classifier consists of, for the files that share it: setting up and classifying (classifier.c), preparing
 * images (classifier_prepare.c), and covering parts of one (occlusion.c). */
#ifndef OC_EVAL_CLASSIFIER_INTERNAL_H
#define OC_EVAL_CLASSIFIER_INTERNAL_H

#include "base/parallel.h"
#include "data/augment.h"
#include "data/image/decode.h"
#include "data/kept.h"
#include "eval/classifier.h"
#include "graph/plan.h"
#include "models/model.h"

#define OC_CLASSIFIER_RUNGS 32

/* A way in which images are prepared: networks that want the same are given the same. */
typedef struct oc_preparation {
    const oc_model *network; /* the first that wants it: how it reads images, its size, mean and std */
    size_t reading;          /* place of the first preparation that reads images so */
    float *staging;          /* [capacity, 3, size, size]; NULL: only the first network wants it, and has it at once */
    float *dst;              /* where a batch is prepared: `staging` or the first network's input */
} oc_preparation;

/* A network that takes part. */
typedef struct oc_participant {
    oc_model *network;
    oc_plan *plan[OC_CLASSIFIER_RUNGS]; /* by rung; NULL: not made yet */
    size_t preparation;                 /* its place */
    float *scores;                      /* [capacity, classes] in the model's order of classes */
    bool checked;                       /* its first batch gave nothing but finite numbers */
} oc_participant;

/* A resizer for images of up to width × height. */
typedef struct oc_frame {
    oc_resizer *resizer;
    int64_t width, height;
} oc_frame;

/* An image as decoded in one of the ways that are wanted. */
typedef struct oc_reading {
    oc_decoder *decoder; /* NULL: another preparation reads images in the same way */
    oc_pixels pixels;    /* the decoder's */
} oc_reading;

/* What one thread prepares images with. */
typedef struct oc_workshop {
    oc_reading *readings; /* [preparations] */
    oc_kept kept;         /* the image as a pack would keep it */
    oc_frame *frames;     /* [preparations] */
} oc_workshop;

struct oc_classifier {
    oc_model *model;
    int64_t capacity;
    int64_t rung[OC_CLASSIFIER_RUNGS]; /* sizes of batches that there are plans for, ascending to the capacity */
    int rungs;
    size_t keep; /* bytes of decoding buffers that are kept from one batch to the next; 0: all */
    oc_precision precision;
    oc_team *team;
    oc_slab *slab; /* the plans', which run one after the other */
    oc_participant *participants;
    size_t count;
    oc_preparation *preparations;
    size_t preparation_count;
    const float **gathered; /* [participants] the scores of each */
    float *scores;          /* [capacity, classes] joined */
    oc_workshop *shops;     /* [threads] */
    double *probability;    /* [classes] */
};

/* Elements of one prepared image. */
size_t oc_classifier_elements(const oc_model *network);

/* The shop's buffers and decoders; `shop` may be half made. */
oc_status oc_workshop_open(oc_workshop *shop, const oc_classifier *c, int64_t pixels_most, oc_error *err);
void oc_workshop_close(oc_workshop *shop, size_t preparations);

/* Decodes `count` images in parallel, and prepares each in every way that is wanted, as rows of the batch; each gets
 * its own status. */
void oc_classifier_prepare(oc_classifier *c, oc_classifier_item *items, int64_t count);

/* Chooses the plans for `count` images (1 … capacity), makes them where they are wanted for the first time, and says
 * where the batch is to be prepared. */
oc_status oc_classifier_begin(oc_classifier *c, int64_t count, int *rung, oc_error *err);

/* The joined scores of `count` prepared rows into c->scores; of those whose items (NULL: all are good) failed anything.
 */
oc_status oc_classifier_score(oc_classifier *c, int rung, const oc_classifier_item *items, int64_t count,
                              oc_error *err);

/* Softmax of one row of scores: e to the power of each less the largest into c->probability, whose sum is returned. */
double oc_classifier_softmax(oc_classifier *c, const float *logits);

#endif
