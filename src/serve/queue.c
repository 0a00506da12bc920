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

static void finish(oc_queue *b, oc_job *job) {
    job->seconds = oc_clock_seconds() - job->arrived;
    list_add(&b->finished, job);
}

/* Takes the images that are to be computed next from the jobs that wait, under the lock. Returns how many. */
static int64_t take(oc_queue *b, size_t *top_k) {
    int64_t count = 0;
    *top_k = 1;
    while (b->waiting.first && count < b->options.batch) {
        oc_job *job = b->waiting.first;
        for (; job->taken < job->count && count < b->options.batch; count++) {
            b->items[count] = job->items[job->taken];
            b->from[count] = job;
            b->place[count] = job->taken++;
            if (job->top_k > *top_k) *top_k = job->top_k;
        }
        if (job->taken == job->count) list_drop_first(&b->waiting);
    }
    b->figures.waiting -= count;
    return count;
}

/* Gives the images' results to their jobs; what failed as a whole fails each. */
static void give_back(oc_queue *b, int64_t count, size_t top_k, oc_status status, const oc_error *error) {
    for (int64_t i = 0; i < count; i++) {
        oc_job *job = b->from[i];
        oc_classifier_item *item = &job->items[b->place[i]];
        item->status = status != OC_OK ? status : b->items[i].status;
        if (item->status != OC_OK) item->error = status != OC_OK ? *error : b->items[i].error;
        if (item->status == OC_OK)
            memcpy(job->predictions + b->place[i] * job->top_k, b->predictions + (size_t)i * top_k,
                   job->top_k * sizeof *job->predictions);
    }
}

static void run_batch(oc_queue *b, int64_t count, size_t top_k) {
    oc_error error = {0};
    const double began = oc_clock_seconds();
    oc_status status =
        oc_grow(&b->predictions, &b->predictions_capacity, (size_t)count * top_k, sizeof *b->predictions, &error);
    if (status == OC_OK) status = oc_classifier_batch(b->classifier, b->items, count, b->predictions, top_k, &error);
    give_back(b, count, top_k, status, &error);
    pthread_mutex_lock(&b->lock);
    b->figures.busy += oc_clock_seconds() - began;
    b->figures.batches++;
    b->figures.images += count;
    b->figures.of_size[count < OC_QUEUE_SIZES ? count : OC_QUEUE_SIZES]++;
    for (int64_t i = 0; i < count; i++)
        if (++b->from[i]->finished == b->from[i]->count) finish(b, b->from[i]);
    pthread_mutex_unlock(&b->lock);
    b->options.notify(b->options.user);
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

static void run_saliency(oc_queue *b, oc_job *job) {
    const double began = oc_clock_seconds();
    const bool done = step_saliency(job, b->classifier);
    pthread_mutex_lock(&b->lock);
    b->figures.busy += oc_clock_seconds() - began;
    if (done) {
        list_drop_first(&b->saliency);
        b->figures.saliency++;
        b->figures.waiting--;
        finish(b, job);
    }
    pthread_mutex_unlock(&b->lock);
    if (done) b->options.notify(b->options.user);
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
static bool batch_is_full(const oc_queue *b) {
    int64_t count = 0;
    for (const oc_job *job = b->waiting.first; job && count < b->options.batch; job = job->next)
        count += (int64_t)(job->count - job->taken);
    return count >= b->options.batch;
}

/* Waits until others may have joined the first image, its wait is over, or the batch full; under the lock. */
static void wait_for_others(oc_queue *b) {
    while (!b->quit && !batch_is_full(b)) {
        const double left = b->waiting.first->arrived + b->options.wait - oc_clock_seconds();
        struct timespec until;
        if (left <= 0) return;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += (long)(1e9 * (left < 0.5 ? left : 0.5));
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&b->changed, &b->lock, &until);
    }
}

static oc_status thread_begin(oc_queue *b, oc_error *err) {
    oc_status status = OC_OK;
    const oc_classifier_setup setup = {.batch = b->options.batch,
                                       .threads = b->options.threads,
                                       .ladder = true,
                                       .pixels_most = b->options.pixels,
                                       .keep = KEEP_BYTES};
    OC_TRY(oc_classifier_create_with(&b->classifier, b->model, &setup, err));
    OC_TRY(oc_classifier_warm(b->classifier, err));
    OC_TRY(oc_strdup(&b->note, oc_classifier_note(b->classifier), err));
cleanup:
    return status;
}

static void *thread_main(void *argument) {
    oc_queue *b = argument;
    oc_error error = {0};
    /* The team belongs to the thread that makes it. */
    const oc_status status = thread_begin(b, &error);
    pthread_mutex_lock(&b->lock);
    b->status = status;
    b->error = error;
    b->ready = true;
    pthread_cond_broadcast(&b->changed);
    while (status == OC_OK) {
        if (b->waiting.first) {
            size_t top_k;
            wait_for_others(b);
            const int64_t count = take(b, &top_k);
            pthread_mutex_unlock(&b->lock);
            run_batch(b, count, top_k);
            pthread_mutex_lock(&b->lock);
        } else if (b->saliency.first) {
            oc_job *job = b->saliency.first;
            pthread_mutex_unlock(&b->lock);
            run_saliency(b, job);
            pthread_mutex_lock(&b->lock);
        } else if (b->quit) {
            break;
        } else {
            pthread_cond_wait(&b->changed, &b->lock);
        }
    }
    pthread_mutex_unlock(&b->lock);
    oc_classifier_destroy(&b->classifier);
    return NULL;
}

/* ---- From outside ----------------------------------------------------------------------------------------------- */

oc_status oc_queue_create(oc_queue **out, oc_model *model, const oc_queue_options *options, oc_error *err) {
    oc_status status = OC_OK;
    oc_queue *b = NULL;
    pthread_condattr_t attributes;
    *out = NULL;
    OC_TRY(oc_alloc(&b, 1, sizeof *b, err));
    b->model = model;
    b->options = *options;
    pthread_mutex_init(&b->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&b->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    OC_TRY(oc_alloc(&b->items, (size_t)options->batch, sizeof *b->items, err));
    OC_TRY(oc_alloc(&b->from, (size_t)options->batch, sizeof *b->from, err));
    OC_TRY(oc_alloc(&b->place, (size_t)options->batch, sizeof *b->place, err));
    if (pthread_create(&b->thread, NULL, thread_main, b) != 0) {
        status = oc_fail(err, OC_E_IO, NULL, "the system lets no more threads start");
        goto cleanup;
    }
    b->started = true;
    pthread_mutex_lock(&b->lock);
    while (!b->ready) pthread_cond_wait(&b->changed, &b->lock);
    status = b->status;
    if (status != OC_OK) *err = b->error;
    pthread_mutex_unlock(&b->lock);
    if (status != OC_OK) goto cleanup;
    *out = b;
    b = NULL;
cleanup:
    oc_queue_destroy(&b);
    return status;
}

void oc_queue_destroy(oc_queue **queue) {
    oc_queue *b = *queue;
    if (!b) return;
    if (b->started) {
        pthread_mutex_lock(&b->lock);
        b->quit = true;
        pthread_cond_broadcast(&b->changed);
        pthread_mutex_unlock(&b->lock);
        pthread_join(b->thread, NULL);
    }
    pthread_cond_destroy(&b->changed);
    pthread_mutex_destroy(&b->lock);
    oc_free(b->items);
    oc_free(b->from);
    oc_free(b->place);
    oc_free(b->predictions);
    oc_free(b->note);
    oc_free(b);
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
