/* The computing thread and its queue. */
#define _GNU_SOURCE 1
#include "serve/queue.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"

/* Bytes of decoding buffers that a thread keeps; photographs of 5 million pixels fit. */
#define KEEP_BYTES ((size_t)16 << 20)

typedef struct job_list {
    oc_job *first, *last;
} job_list;

struct oc_queue {
    oc_model *model;
    oc_queue_options options;
    char *note;
    pthread_t thread;
    bool started;
    /* The thread's alone. */
    double idle;      /* it has nothing to compute since */
    int64_t expected; /* images that are likely to come together next */
    oc_classifier *classifier;
    oc_classifier_item *items;  /* [batch] */
    oc_job **from;              /* [batch] whose image it is */
    size_t *place;              /* [batch] its place in the job */
    oc_prediction *predictions; /* [batch, top_k of the largest job so far] */
    size_t predictions_capacity;

    pthread_mutex_t lock;
    pthread_cond_t changed; /* something to do, to the thread; it is ready, from it */
    /* Under the lock: */
    bool ready, quit;
    oc_status status; /* of making the classifier */
    oc_error error;
    job_list waiting, saliency, finished;
    oc_queue_figures figures;
};

static void list_add(job_list *list, oc_job *job) {
    job->next = NULL;
    if (list->last)
        list->last->next = job;
    else
        list->first = job;
    list->last = job;
}

static void list_drop_first(job_list *list) {
    list->first = list->first->next;
    if (!list->first) list->last = NULL;
}

/* ---- Computing -------------------------------------------------------------------------------------------------- */

static void finish(oc_queue *q, oc_job *job) {
    job->seconds = oc_clock_seconds() - job->arrived;
    list_add(&q->finished, job);
}

/* Takes the images that are to be computed next from the jobs that wait, under the lock. Returns how many. */
static int64_t take(oc_queue *q, size_t *top_k) {
    int64_t count = 0;
    *top_k = 1;
    while (q->waiting.first && count < q->options.batch) {
        oc_job *job = q->waiting.first;
        for (; job->taken < job->count && count < q->options.batch; count++) {
            q->items[count] = job->items[job->taken];
            q->from[count] = job;
            q->place[count] = job->taken++;
            if (job->top_k > *top_k) *top_k = job->top_k;
        }
        if (job->taken == job->count) list_drop_first(&q->waiting);
    }
    q->figures.waiting -= count;
    return count;
}

/* Gives the images' results to their jobs; what failed as a whole fails each. */
static void give_back(oc_queue *q, int64_t count, size_t top_k, oc_status status, const oc_error *error) {
    for (int64_t i = 0; i < count; i++) {
        oc_job *job = q->from[i];
        oc_classifier_item *item = &job->items[q->place[i]];
        item->status = status != OC_OK ? status : q->items[i].status;
        if (item->status != OC_OK) item->error = status != OC_OK ? *error : q->items[i].error;
        if (item->status == OC_OK)
            memcpy(job->predictions + q->place[i] * job->top_k, q->predictions + (size_t)i * top_k,
                   job->top_k * sizeof *job->predictions);
    }
}

static void run_batch(oc_queue *q, int64_t count, size_t top_k) {
    oc_error error = {0};
    const double began = oc_clock_seconds();
    oc_status status =
        oc_grow(&q->predictions, &q->predictions_capacity, (size_t)count * top_k, sizeof *q->predictions, &error);
    if (status == OC_OK) status = oc_classifier_batch(q->classifier, q->items, count, q->predictions, top_k, &error);
    give_back(q, count, top_k, status, &error);
    pthread_mutex_lock(&q->lock);
    q->figures.busy += oc_clock_seconds() - began;
    q->figures.batches++;
    q->figures.images += count;
    q->figures.of_size[count < OC_QUEUE_SIZES ? count : OC_QUEUE_SIZES]++;
    for (int64_t i = 0; i < count; i++)
        if (++q->from[i]->finished == q->from[i]->count) finish(q, q->from[i]);
    pthread_mutex_unlock(&q->lock);
    q->options.notify(q->options.user);
}

/* One batch of a map; true when it is finished. */
static bool step_saliency(oc_job *job, oc_classifier *classifier) {
    bool done = false;
    if (!job->occlusion)
        job->status = oc_occlusion_create(&job->occlusion, classifier, &job->items[0], job->class_index, &job->error);
    if (job->status == OC_OK) job->status = oc_occlusion_step(job->occlusion, &done, &job->error);
    if (job->status == OC_OK && !done) return false;
    if (job->status == OC_OK) job->map = *oc_occlusion_get(job->occlusion);
    /* A bad image is the item's fault, not the computation's. */
    if (job->status != OC_OK && job->items[0].status != OC_OK) job->status = OC_OK;
    oc_occlusion_destroy(&job->occlusion);
    return true;
}

static void run_saliency(oc_queue *q, oc_job *job) {
    const double began = oc_clock_seconds();
    const bool done = step_saliency(job, q->classifier);
    pthread_mutex_lock(&q->lock);
    q->figures.busy += oc_clock_seconds() - began;
    if (done) {
        list_drop_first(&q->saliency);
        q->figures.saliency++;
        q->figures.waiting--;
        finish(q, job);
    }
    pthread_mutex_unlock(&q->lock);
    if (done) q->options.notify(q->options.user);
}

void oc_job_run(oc_job *job, oc_classifier *classifier) {
    if (job->saliency) {
        while (!step_saliency(job, classifier)) continue;
        return;
    }
    for (size_t i = 0; i < job->count && job->status == OC_OK; i++)
        job->status = oc_classifier_batch(classifier, &job->items[i], 1, job->predictions + i * job->top_k, job->top_k,
                                          &job->error);
}

/* ---- The thread ------------------------------------------------------------------------------------------------- */

/* Images that wait, as far as they matter for one batch; under the lock. */
static int64_t count_waiting(const oc_queue *q) {
    int64_t count = 0;
    for (const oc_job *job = q->waiting.first; job && count < q->options.batch; job = job->next)
        count += (int64_t)(job->count - job->taken);
    return count < q->options.batch ? count : q->options.batch;
}

/* Waits until others may have joined the first image, its wait is over, or the batch full; under the lock. The wait
 * counts from when the image could be computed: those whose answers have just gone out are about to come again, and an
 * image that came during the last batch is better off with them than on its own, ahead of them. When as many have come
 * as the last batch had, and those that came while it was computed, nobody else is likely to. */
static void wait_for_others(oc_queue *q) {
    const double arrived = q->waiting.first->arrived, from = arrived > q->idle ? arrived : q->idle;
    const int64_t wanted = arrived <= q->idle + q->options.wait ? q->expected : q->options.batch;
    while (!q->quit && count_waiting(q) < wanted) {
        const double left = from + q->options.wait - oc_clock_seconds();
        struct timespec until;
        if (left <= 0) return;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += (long)(1e9 * (left < 0.5 ? left : 0.5));
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&q->changed, &q->lock, &until);
    }
}

static oc_status thread_begin(oc_queue *q, oc_error *err) {
    oc_status status = OC_OK;
    const oc_classifier_setup setup = {.options = {q->options.batch, q->options.precision, q->options.threads},
                                       .ladder = true,
                                       .pixels_most = q->options.pixels,
                                       .keep = KEEP_BYTES};
    OC_TRY(oc_classifier_create_with(&q->classifier, q->model, &setup, err));
    OC_TRY(oc_classifier_warm(q->classifier, err));
    OC_TRY(oc_strdup(&q->note, oc_classifier_note(q->classifier), err));
cleanup:
    return status;
}

static void *thread_main(void *argument) {
    oc_queue *q = argument;
    oc_error error = {0};
    /* The team belongs to the thread that makes it. */
    const oc_status status = thread_begin(q, &error);
    pthread_mutex_lock(&q->lock);
    q->status = status;
    q->error = error;
    q->ready = true;
    pthread_cond_broadcast(&q->changed);
    while (status == OC_OK && (q->waiting.first || q->saliency.first || !q->quit)) {
        if (q->waiting.first) {
            size_t top_k;
            /* A map to be made is as good a use of the time as others that may come. */
            if (!q->saliency.first) wait_for_others(q);
            const int64_t count = take(q, &top_k);
            pthread_mutex_unlock(&q->lock);
            run_batch(q, count, top_k);
            q->idle = oc_clock_seconds();
            pthread_mutex_lock(&q->lock);
            q->expected = count + count_waiting(q);
            if (q->expected > q->options.batch) q->expected = q->options.batch;
        }
        if (q->saliency.first) {
            oc_job *job = q->saliency.first;
            pthread_mutex_unlock(&q->lock);
            run_saliency(q, job);
            pthread_mutex_lock(&q->lock);
        }
        if (!q->waiting.first && !q->saliency.first && !q->quit) pthread_cond_wait(&q->changed, &q->lock);
    }
    pthread_mutex_unlock(&q->lock);
    oc_classifier_destroy(&q->classifier);
    return NULL;
}

/* ---- From outside ----------------------------------------------------------------------------------------------- */

oc_status oc_queue_create(oc_queue **out, oc_model *model, const oc_queue_options *options, oc_error *err) {
    oc_status status = OC_OK;
    oc_queue *q = NULL;
    pthread_condattr_t attributes;
    *out = NULL;
    OC_TRY(oc_alloc(&q, 1, sizeof *q, err));
    q->model = model;
    q->options = *options;
    pthread_mutex_init(&q->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&q->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    OC_TRY(oc_alloc(&q->items, (size_t)options->batch, sizeof *q->items, err));
    OC_TRY(oc_alloc(&q->from, (size_t)options->batch, sizeof *q->from, err));
    OC_TRY(oc_alloc(&q->place, (size_t)options->batch, sizeof *q->place, err));
    if (pthread_create(&q->thread, NULL, thread_main, q) != 0) {
        status = oc_fail(err, OC_E_IO, NULL, "the system lets no more threads start");
        goto cleanup;
    }
    q->started = true;
    pthread_mutex_lock(&q->lock);
    while (!q->ready) pthread_cond_wait(&q->changed, &q->lock);
    status = q->status;
    if (status != OC_OK) *err = q->error;
    pthread_mutex_unlock(&q->lock);
    if (status != OC_OK) goto cleanup;
    *out = q;
    q = NULL;
cleanup:
    oc_queue_destroy(&q);
    return status;
}

void oc_queue_destroy(oc_queue **queue) {
    oc_queue *q = *queue;
    if (!q) return;
    if (q->started) {
        pthread_mutex_lock(&q->lock);
        q->quit = true;
        pthread_cond_broadcast(&q->changed);
        pthread_mutex_unlock(&q->lock);
        pthread_join(q->thread, NULL);
    }
    pthread_cond_destroy(&q->changed);
    pthread_mutex_destroy(&q->lock);
    oc_free(q->items);
    oc_free(q->from);
    oc_free(q->place);
    oc_free(q->predictions);
    oc_free(q->note);
    oc_free(q);
    *queue = NULL;
}

const char *oc_queue_note(const oc_queue *queue) {
    return queue->note ? queue->note : "";
}

bool oc_queue_submit(oc_queue *queue, oc_job *job) {
    job->arrived = oc_clock_seconds();
    pthread_mutex_lock(&queue->lock);
    const bool fits = queue->figures.waiting + (int64_t)job->count <= queue->options.most;
    if (fits) {
        queue->figures.waiting += (int64_t)job->count;
        list_add(job->saliency ? &queue->saliency : &queue->waiting, job);
        pthread_cond_signal(&queue->changed);
    }
    pthread_mutex_unlock(&queue->lock);
    return fits;
}

oc_job *oc_queue_finished(oc_queue *queue) {
    pthread_mutex_lock(&queue->lock);
    oc_job *first = queue->finished.first;
    queue->finished = (job_list){0};
    pthread_mutex_unlock(&queue->lock);
    return first;
}

void oc_queue_figures_get(oc_queue *queue, oc_queue_figures *figures) {
    pthread_mutex_lock(&queue->lock);
    *figures = queue->figures;
    pthread_mutex_unlock(&queue->lock);
}
