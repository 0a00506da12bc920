/* AdamW and SGD over arenas, by src/kernels/optimizer.h: every element's step is the same whatever range it falls in
 * and at every level, so the bits depend on neither the team nor the processor. */
#include "train/optimizer.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "kernels/optimizer.h"

#define CHUNK 16384 /* elements a task works on at once */

/* What a range of one tensor is stepped with: one of them. */
typedef union scalars {
    oc_adamw adamw;
    oc_sgd sgd;
} scalars;

/* A row of the table of optimizers. */
typedef struct optimizer_entry {
    const char *name;
    int (*states)(const oc_recipe_values *values);
    const char *state_name[OC_OPTIMIZER_MAX_STATE];
    void (*prepare)(const oc_recipe_values *values, int64_t step, double lr, scalars *decayed, scalars *plain);
    void (*range)(const oc_optimizer_kernels *kernels, float *p, const float *g, float *a, float *b, int64_t count,
                  const scalars *by);
} optimizer_entry;

/* A piece of a tensor with a gradient. */
typedef struct chunk {
    size_t offset;
    int64_t count;
    bool decay;
} chunk;

struct oc_optimizer {
    const optimizer_entry *entry;
    const oc_optimizer_kernels *kernels;
    oc_recipe_values values; /* numbers only are read after creation */
    int64_t steps;
    int states;
    float *state[OC_OPTIMIZER_MAX_STATE];
    chunk *chunks;
    size_t chunk_count, chunk_capacity;
};

/* ---- The table ----------------------------------------------------------------------------------------------------
 */

static int adamw_states(const oc_recipe_values *values) {
    (void)values;
    return 2;
}

static void adamw_prepare(const oc_recipe_values *values, int64_t step, double lr, scalars *decayed, scalars *plain) {
    double correction1 = 1 - pow(values->beta1, (double)step), correction2 = 1 - pow(values->beta2, (double)step);
    plain->adamw = (oc_adamw){.decay = 1,
                              .beta1_rest = (float)(1 - values->beta1),
                              .beta2 = (float)values->beta2,
                              .beta2_rest = (float)(1 - values->beta2),
                              .rate = (float)(lr / correction1),
                              .root_scale = (float)(1 / sqrt(correction2)),
                              .eps = (float)values->eps};
    *decayed = *plain;
    decayed->adamw.decay = (float)(1 - lr * values->weight_decay);
}

static void adamw_range(const oc_optimizer_kernels *kernels, float *p, const float *g, float *a, float *b,
                        int64_t count, const scalars *by) {
    kernels->adamw(p, g, a, b, count, &by->adamw);
}

static int sgd_states(const oc_recipe_values *values) {
    return values->momentum > 0;
}

static void sgd_prepare(const oc_recipe_values *values, int64_t step, double lr, scalars *decayed, scalars *plain) {
    (void)step;
    plain->sgd = (oc_sgd){.rate = (float)lr, .momentum = (float)values->momentum, .nesterov = values->nesterov};
    *decayed = *plain;
    decayed->sgd.decay = (float)values->weight_decay;
}

static void sgd_range(const oc_optimizer_kernels *kernels, float *p, const float *g, float *a, float *b, int64_t count,
                      const scalars *by) {
    (void)b;
    kernels->sgd(p, g, a, count, &by->sgd);
}

static const optimizer_entry optimizers[] = {
    {"adamw", adamw_states, {"exp_avg", "exp_avg_sq"}, adamw_prepare, adamw_range},
    {"sgd", sgd_states, {"momentum_buffer", NULL}, sgd_prepare, sgd_range},
};

/* ---- The optimizer ------------------------------------------------------------------------------------------------
 */

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
    optimizer->kernels = oc_kernels_now()->optimizer;
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
        job->optimizer->entry->range(job->optimizer->kernels, job->parameters + piece->offset,
                                     job->gradients + piece->offset, state[0] ? state[0] + piece->offset : NULL,
                                     state[1] ? state[1] + piece->offset : NULL, piece->count,
                                     piece->decay ? &job->decayed : &job->plain);
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
