/* Where the time goes: throughput of models on this machine, beside its measured peak. */
#ifndef OCELLI_BENCH_H
#define OCELLI_BENCH_H

#include "ocelli/ocelli.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct oc_bench_options {
    int64_t batch_size;    /* 0: 64 */
    int64_t size;          /* 0: 64 */
    int64_t classes;       /* 0: 200 */
    const char *precision; /* number format, as in oc_eval_options; NULL: "fp32" */
    const char *tune; /* how algorithms are chosen, as in oc_train_options, here of inference as well; NULL: "off" */
    int64_t steps;    /* timed steps; 0: as many as take a few seconds */
    int threads;      /* 0: all */
    bool augment;     /* training prepares its batches, with the whole augmentation, from generated images */
    oc_log log;
} oc_bench_options;

/* Trains `model` (by name) on generated images and returns JSON text (freed with oc_bench_free): images_per_second
 * (median over steps), gflops (of convolutions and linear layers, forward, both backward passes, counted as if each
 * were computed directly: Winograd's method multiplies less, so that this may exceed the peak), peak_gflops (a
 * register-only FMA loop on all threads, measured in the same run), peak_share, data_share (share of a step spent
 * preparing its batch), seconds per step by part (data, forward, backward, loss, optimizer), inference
 * images_per_second, and a row per operator kind (share of the step, GFLOP/s). OC_E_USAGE, about --batch-size, where
 * the model cannot be trained in such batches. */
OC_API oc_status oc_bench_model(char **json, const char *model, const oc_bench_options *options, oc_error *err);
/* Inference alone, which a batch that is too small for training has as well, from an input in memory to logits. Returns
 * JSON text as above: latency_seconds and latency_p90_seconds of one image (a batch of 1: median, and what 90 % of the
 * passes do not exceed), latency_steps; of batches of batch_size inference_images_per_second (of the median),
 * inference_steps, inference_gflops (counted as above), peak_gflops and inference_peak_share. */
OC_API oc_status oc_bench_inference(char **json, const char *model, const oc_bench_options *options, oc_error *err);

OC_API void oc_bench_free(char *json);

#ifdef __cplusplus
}
#endif

#endif
