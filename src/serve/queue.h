/* The images that wait to be computed, and the one thread that computes: it takes images of different requests
 * together, as many as have come within a bounded wait, and gives each request its own back. Requests for saliency are
 * computed between batches, a batch at a time, so that nobody waits for a whole one. */
#ifndef OC_SERVE_QUEUE_H
#define OC_SERVE_QUEUE_H

#include "eval/classifier.h"
#include "eval/occlusion.h"

/* What a request wants computed. The caller fills the first half, and leaves it alone until the job is finished. */
typedef struct oc_job oc_job;
struct oc_job {
    oc_classifier_item *items;  /* [count], with statuses of their own when it is finished */
    size_t count;               /* >= 1; of saliency 1 */
    oc_prediction *predictions; /* [count, top_k]; of saliency NULL */
    size_t top_k;
    bool saliency;
    int32_t class_index; /* of saliency; −1: the likeliest */
    void *owner;         /* the caller's */

    /* Results. */
    oc_status status; /* of the whole job; not OC_OK: nothing was computed */
    oc_error error;
    oc_occlusion_map map;
    double seconds; /* from its arrival to its end */

    /* The queue's. */
    double arrived;
    size_t taken, finished;
    oc_occlusion *occlusion;
    oc_job *next;
};

typedef struct oc_queue oc_queue;

typedef struct oc_queue_options {
    const char *precision; /* as in oc_classifier_options; borrowed until oc_queue_create returns */
    int threads;
    int64_t batch, most, pixels; /* images at once, and that wait; pixels of each; all >= 1 */
    double wait;                 /* seconds, >= 0 */
    /* Told from the computing thread that jobs are finished: time to call oc_queue_finished. */
    void (*notify)(void *user);
    void *user;
} oc_queue_options;

/* Batches of up to this many images are counted one by one. */
#define OC_QUEUE_SIZES 64

typedef struct oc_queue_figures {
    int64_t waiting;                     /* images that wait to be computed */
    int64_t batches, images, saliency;   /* done: batches, images in them, maps */
    int64_t of_size[OC_QUEUE_SIZES + 1]; /* batches by their size, larger ones under the last */
    double busy;                         /* seconds spent in computing */
} oc_queue_figures;

/* Starts the thread, which makes the classifier. `model` outlives the queue. Statuses of oc_classifier_create, and
 * OC_E_NON_FINITE for weights that are unfit for use. */
oc_status oc_queue_create(oc_queue **out, oc_model *model, const oc_queue_options *options, oc_error *err);
/* Finishes what was submitted, which is then nobody's: take it with oc_queue_finished before. */
void oc_queue_destroy(oc_queue **queue);
const char *oc_queue_note(const oc_queue *queue);
/* False: the queue is full, nothing was taken. A job of more images than the whole queue is never taken. */
bool oc_queue_submit(oc_queue *queue, oc_job *job);
/* A list (`next`) of the jobs that were finished since the last call; NULL: none. */
oc_job *oc_queue_finished(oc_queue *queue);
void oc_queue_figures_get(oc_queue *queue, oc_queue_figures *figures);

/* The same for one job, at once and in the calling thread, by a classifier of the caller's: for tests. */
void oc_job_run(oc_job *job, oc_classifier *classifier);

#endif
