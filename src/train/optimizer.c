/* AdamW and SGD over arenas. Every element's step is the same whatever range it falls in and whichever instruction
 * set computes it (square root and division are exactly rounded, nothing is contracted), so the bits depend on
 * neither the team nor the processor. */
#include "train/optimizer.h"

#include <math.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "base/error.h"
#include "base/memory.h"

#define CHUNK 16384 /* elements a task works on at once */
#define BLOCK 64    /* elements of a chunk between two loops, in registers or the first cache */

/* What a range of one tensor is stepped with. */
typedef struct scalars {
    float decay;             /* adamw: factor on the weight; sgd: added multiple of it */
    float beta1_rest, beta2; /* adamw: 1 − beta1, beta2 */
    float beta2_rest;        /* adamw: 1 − beta2 */
    float rate;              /* adamw: lr / bias correction 1; sgd: lr */
    float root_scale, eps;   /* adamw: 1 / √(bias correction 2) */
    float momentum;          /* sgd */
    float nesterov;          /* sgd: 1 or 0 */
} scalars;

typedef void (*range_fn)(float *restrict p, const float *restrict g, float *restrict a, float *restrict b,
                         int64_t count, const scalars *s);

/* A row of the table of optimizers. */
typedef struct optimizer_entry {
    const char *name;
    int (*states)(const oc_recipe_values *values);
    const char *state_name[OC_OPTIMIZER_MAX_STATE];
    void (*prepare)(const oc_recipe_values *values, int64_t step, double lr, scalars *decayed, scalars *plain);
    range_fn range, range_avx2;
} optimizer_entry;

/* A piece of a tensor with a gradient. */
typedef struct chunk {
    size_t offset;
    int64_t count;
    bool decay;
} chunk;

struct oc_optimizer {
    const optimizer_entry *entry;
    oc_recipe_values values; /* numbers only are read after creation */
    range_fn range;
    int64_t steps;
    int states;
    float *state[OC_OPTIMIZER_MAX_STATE];
    chunk *chunks;
    size_t chunk_count, chunk_capacity;
};

/* ---- Kernels: one body each, compiled for the baseline and for AVX2 ---------------------------------------------- */

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#if defined(__x86_64__)
#define AVX2 __attribute__((target("avx2")))
#else
#define AVX2
#endif

/* x ← √x of a block. By intrinsic where there is one: sqrtf may set errno, which keeps it out of vector loops. */
ALWAYS_INLINE void root_block(float *x) {
#if defined(__x86_64__)
    for (int i = 0; i < BLOCK; i += 4) _mm_storeu_ps(x + i, _mm_sqrt_ps(_mm_loadu_ps(x + i)));
#else
    for (int i = 0; i < BLOCK; i++) x[i] = sqrtf(x[i]);
#endif
}

/* `count` <= BLOCK elements of AdamW, decoupled decay first, as torch.optim.AdamW orders it. */
ALWAYS_INLINE void adamw_block(float *restrict p, const float *restrict g, float *restrict m, float *restrict v,
                               int count, const scalars *s) {
    float root[BLOCK] = {0};
    for (int i = 0; i < count; i++) {
        m[i] += s->beta1_rest * (g[i] - m[i]);
        v[i] = s->beta2 * v[i] + s->beta2_rest * (g[i] * g[i]);
        root[i] = v[i];
    }
    root_block(root);
    for (int i = 0; i < count; i++) p[i] = p[i] * s->decay - s->rate * (m[i] / (root[i] * s->root_scale + s->eps));
}

ALWAYS_INLINE void adamw_body(float *restrict p, const float *restrict g, float *restrict m, float *restrict v,
                              int64_t count, const scalars *s) {
    int64_t i = 0;
    for (; i + BLOCK <= count; i += BLOCK) adamw_block(p + i, g + i, m + i, v + i, BLOCK, s);
    if (i < count) adamw_block(p + i, g + i, m + i, v + i, (int)(count - i), s);
}

ALWAYS_INLINE void sgd_body(float *restrict p, const float *restrict g, float *restrict momentum, int64_t count,
                            const scalars *s) {
    if (!momentum) {
        for (int64_t i = 0; i < count; i++) p[i] -= s->rate * (g[i] + s->decay * p[i]);
        return;
    }
    /* The first step's average starts at the gradient: zero times momentum, plus it. */
    if (s->nesterov != 0) {
        for (int64_t i = 0; i < count; i++) {
            float gradient = g[i] + s->decay * p[i];
            momentum[i] = s->momentum * momentum[i] + gradient;
            p[i] -= s->rate * (gradient + s->momentum * momentum[i]);
        }
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        momentum[i] = s->momentum * momentum[i] + (g[i] + s->decay * p[i]);
        p[i] -= s->rate * momentum[i];
    }
}

static void adamw_range(float *restrict p, const float *restrict g, float *restrict a, float *restrict b, int64_t count,
                        const scalars *s) {
    adamw_body(p, g, a, b, count, s);
}

AVX2 static void adamw_range_avx2(float *restrict p, const float *restrict g, float *restrict a, float *restrict b,
                                  int64_t count, const scalars *s) {
    adamw_body(p, g, a, b, count, s);
}

static void sgd_range(float *restrict p, const float *restrict g, float *restrict a, float *restrict b, int64_t count,
                      const scalars *s) {
    (void)b;
    sgd_body(p, g, a, count, s);
}

AVX2 static void sgd_range_avx2(float *restrict p, const float *restrict g, float *restrict a, float *restrict b,
                                int64_t count, const scalars *s) {
    (void)b;
    sgd_body(p, g, a, count, s);
}

/* ---- The table ----------------------------------------------------------------------------------------------------
 */

static int adamw_states(const oc_recipe_values *values) {
    (void)values;
    return 2;
}

static void adamw_prepare(const oc_recipe_values *values, int64_t step, double lr, scalars *decayed, scalars *plain) {
    double correction1 = 1 - pow(values->beta1, (double)step), correction2 = 1 - pow(values->beta2, (double)step);
    *plain = (scalars){.decay = 1,
                       .beta1_rest = (float)(1 - values->beta1),
                       .beta2 = (float)values->beta2,
                       .beta2_rest = (float)(1 - values->beta2),
                       .rate = (float)(lr / correction1),
                       .root_scale = (float)(1 / sqrt(correction2)),
                       .eps = (float)values->eps};
    *decayed = *plain;
    decayed->decay = (float)(1 - lr * values->weight_decay);
}

static int sgd_states(const oc_recipe_values *values) {
    return values->momentum > 0;
}

static void sgd_prepare(const oc_recipe_values *values, int64_t step, double lr, scalars *decayed, scalars *plain) {
    (void)step;
    *plain = (scalars){.rate = (float)lr, .momentum = (float)values->momentum, .nesterov = values->nesterov ? 1 : 0};
    *decayed = *plain;
    decayed->decay = (float)values->weight_decay;
}

static const optimizer_entry optimizers[] = {
    {"adamw", adamw_states, {"exp_avg", "exp_avg_sq"}, adamw_prepare, adamw_range, adamw_range_avx2},
    {"sgd", sgd_states, {"momentum_buffer", NULL}, sgd_prepare, sgd_range, sgd_range_avx2},
};

/* ---- The optimizer ------------------------------------------------------------------------------------------------
 */

static bool has_avx2(void) {
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx2");
#else
    return false;
#endif
}

static oc_status cut_into_chunks(oc_optimizer *optimizer, const oc_table *table, oc_error *err) {
    for (size_t t = 0; t < oc_table_count(table); t++) {
        const oc_tensor *tensor = oc_table_at(table, t);
        for (size_t begin = 0; tensor->parameter && begin < tensor->count; begin += CHUNK) {
            size_t rest = tensor->count - begin;
            oc_status status = oc_grow(&optimizer->chunks, &optimizer->chunk_capacity, optimizer->chunk_count + 1,
                                       sizeof *optimizer->chunks, err);
            if (status != OC_OK) return status;
            optimizer->chunks[optimizer->chunk_count++] =
                (chunk){tensor->offset + begin, (int64_t)(rest < CHUNK ? rest : CHUNK), tensor->decay};
        }
    }
    return OC_OK;
}

oc_status oc_optimizer_create(oc_optimizer **out, const oc_recipe_values *values, const oc_table *table,
                              oc_error *err) {
    oc_status status = OC_OK;
    oc_optimizer *optimizer = NULL;
    OC_TRY(oc_alloc(&optimizer, 1, sizeof *optimizer, err));
    for (size_t i = 0; i < sizeof optimizers / sizeof *optimizers; i++)
        if (strcmp(optimizers[i].name, values->optimizer) == 0) optimizer->entry = &optimizers[i];
    if (!optimizer->entry) {
        status = oc_fail(err, OC_E_USAGE, "optimizer.name", "there is no optimizer \"%.100s\"", values->optimizer);
        goto cleanup;
    }
    optimizer->values = *values;
    optimizer->range = has_avx2() ? optimizer->entry->range_avx2 : optimizer->entry->range;
    optimizer->states = optimizer->entry->states(values);
    for (int i = 0; i < optimizer->states; i++)
        OC_TRY(oc_alloc(&optimizer->state[i], oc_table_arena_size(table), sizeof(float), err));
    OC_TRY(cut_into_chunks(optimizer, table, err));
    *out = optimizer;
    optimizer = NULL;
cleanup:
    oc_optimizer_destroy(&optimizer);
    return status;
}

void oc_optimizer_destroy(oc_optimizer **optimizer) {
    if (!optimizer || !*optimizer) return;
    for (int i = 0; i < OC_OPTIMIZER_MAX_STATE; i++) oc_free((*optimizer)->state[i]);
    oc_free((*optimizer)->chunks);
    oc_free(*optimizer);
    *optimizer = NULL;
}

typedef struct step_job {
    const oc_optimizer *optimizer;
    float *parameters;
    const float *gradients;
    scalars decayed, plain;
} step_job;

static void step_chunks(void *user, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const step_job *job = user;
    for (int64_t i = begin; i < end; i++) {
        const chunk *piece = &job->optimizer->chunks[i];
        float *const *state = job->optimizer->state;
        job->optimizer->range(job->parameters + piece->offset, job->gradients + piece->offset,
                              state[0] ? state[0] + piece->offset : NULL, state[1] ? state[1] + piece->offset : NULL,
                              piece->count, piece->decay ? &job->decayed : &job->plain);
    }
}

void oc_optimizer_step(oc_optimizer *optimizer, float *parameters, const float *gradients, double lr, oc_team *team) {
    step_job job = {.optimizer = optimizer, .parameters = parameters, .gradients = gradients};
    optimizer->entry->prepare(&optimizer->values, ++optimizer->steps, lr, &job.decayed, &job.plain);
    oc_parallel_for(team, (int64_t)optimizer->chunk_count, 1, step_chunks, &job);
}

int64_t oc_optimizer_steps(const oc_optimizer *optimizer) {
    return optimizer->steps;
}

void oc_optimizer_set_steps(oc_optimizer *optimizer, int64_t steps) {
    optimizer->steps = steps;
}

int oc_optimizer_state(oc_optimizer *optimizer, const char **names, float **arenas) {
    for (int i = 0; i < optimizer->states; i++) {
        names[i] = optimizer->entry->state_name[i];
        arenas[i] = optimizer->state[i];
    }
    return optimizer->states;
}
