/* What preparing batches costs: microseconds an image and core, with less and with more of the augmentation, at the
 * level that OC_CPU allows.
 *
 *     bench_prepare PATH [SIZE [THREADS]]      PATH: a data set, whose train is packed into the usual cache */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/memory.h"
#include "data/batch.h"

#define BATCH 64
#define ROUNDS 9 /* the median of which is taken */
#define BATCHES 40

typedef struct bench {
    oc_team *team;
    oc_pack *pack;
    int64_t size;
    float *dst; /* [BATCH, 3, size, size] */
} bench;

static void refuse(oc_status status, const oc_error *err) {
    if (status == OC_OK) return;
    fprintf(stderr, "bench_prepare: %s: %s\n", err->where, err->message);
    exit(EXIT_FAILURE);
}

static int ascending(const void *a, const void *b) {
    const double first = *(const double *)a, second = *(const double *)b;
    return (first > second) - (first < second);
}

/* Prints the median of the rounds, and the quickest. */
static void row(const bench *b, const char *name, bool augment, double mixup_alpha) {
    const oc_batch_options options = {.batch_size = BATCH,
                                      .size = b->size,
                                      .augment = augment,
                                      .shuffle = true,
                                      .drop_last = true,
                                      .mixup_alpha = mixup_alpha,
                                      .seed = 1,
                                      .mean = {0.4650F, 0.4342F, 0.3944F},
                                      .std = {0.2729F, 0.2731F, 0.2707F}};
    oc_error err = {0};
    oc_batcher *batcher = NULL;
    oc_targets targets;
    double seconds[ROUNDS];
    refuse(oc_batcher_create(&batcher, b->pack, &options, b->team, &err), &err);
    const int64_t count = oc_batcher_count(batcher);
    /* The first round finds the pages. */
    for (int round = -1; round < ROUNDS; round++) {
        const double begin = oc_clock_seconds();
        for (int64_t i = 0; i < BATCHES; i++) oc_batcher_fill(batcher, 0, i % count, b->dst, &targets);
        if (round >= 0) seconds[round] = oc_clock_seconds() - begin;
    }
    qsort(seconds, ROUNDS, sizeof *seconds, ascending);
    const double cost = 1e6 * oc_team_threads(b->team) / (BATCHES * BATCH);
    printf("%-40s %6.1f us an image and core (quickest %.1f)\n", name, cost * seconds[ROUNDS / 2], cost * seconds[0]);
    oc_batcher_destroy(&batcher);
}

int main(int argc, char **argv) {
    bench b = {.size = argc > 2 ? strtol(argv[2], NULL, 10) : 64};
    const long threads = argc > 3 ? strtol(argv[3], NULL, 10) : 0;
    oc_error err = {0};
    oc_dataset *dataset = NULL;
    if (argc < 2 || argc > 4 || b.size < 1 || threads < 0) {
        fprintf(stderr, "usage: bench_prepare PATH [SIZE [THREADS]]\n");
        return EXIT_FAILURE;
    }
    refuse(oc_team_create(&b.team, (int)threads, &err), &err);
    refuse(oc_dataset_open(&dataset, argv[1], NULL, &err), &err);
    const oc_pack_options options = {.size = b.size, .team = b.team};
    refuse(oc_pack_open(&b.pack, dataset, "train", &options, &err), &err);
    refuse(oc_alloc(&b.dst, (size_t)(BATCH * 3 * b.size * b.size), sizeof *b.dst, &err), &err);
    printf("%s, batch %d at %lld x %lld, %d threads\n", oc_cpu_level_name(oc_cpu_level_now()), BATCH, (long long)b.size,
           (long long)b.size, oc_team_threads(b.team));
    row(&b, "normalised", false, 0);
    row(&b, "crop, flip, jitter, normalised", true, 0);
    row(&b, "crop, flip, jitter, normalised, mixup", true, 0.2);
    oc_free(b.dst);
    oc_pack_destroy(&b.pack);
    oc_dataset_destroy(&dataset);
    oc_team_destroy(&b.team);
    return EXIT_SUCCESS;
}
