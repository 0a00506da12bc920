/* Where the time goes: throughput of models on this machine, beside its measured peak. */
#ifndef OCELLI_BENCH_H
#define OCELLI_BENCH_H

#include "ocelli/ocelli.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What is measured. */
typedef enum oc_bench_parts { OC_BENCH_ALL, OC_BENCH_TRAIN, OC_BENCH_INFER } oc_bench_parts;

/* How it is measured. All zero: the defaults that are named. */
typedef struct oc_bench_options {
    oc_bench_parts parts;  /* training, inference, or both */
    int64_t batch_size;    /* 0: 64 */
    int64_t size;          /* 0: 64 */
    int64_t classes;       /* 0: 200 */
    const char *precision; /* number format, as in oc_eval_options; NULL: "fp32" */
    const char *tune;      /* how algorithms are chosen, as in oc_train_options, of inference as well; NULL: "off" */
    int64_t steps;         /* timed steps; 0: as many as take a few seconds */
    int threads;           /* 0: all */
    bool augment;          /* training prepares its batches, with the whole augmentation, from generated images */
    bool layers;           /* a row for every step of the plans */
    oc_log log;            /* what is being measured */
} oc_bench_options;

/* Measures training of `model` (by name) on generated images, and inference in batches of one and of batch_size, beside
 * what the machine is measured to do before and after: its peak of fused multiply-adds and its bandwidth. Returns JSON
 * text, freed with oc_bench_free; docs/bench.md tells what each number means. What was disturbed is told under
 * "doubts", and "trusted" is false then. OC_E_USAGE, about --batch-size, where the model cannot be trained in such
 * batches; OC_E_MEMORY, OC_E_COMPUTE, OC_E_IO. Where the system allows it, the process's peak of memory is reset. */
OC_API oc_status oc_bench_model(char **json, const char *model, const oc_bench_options *options, oc_error *err);

/* Frees what oc_bench_model gave; takes NULL. */
OC_API void oc_bench_free(char *json);

#ifdef __cplusplus
}
#endif

#endif
