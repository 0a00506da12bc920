/* Learning-rate schedules: a row each. t counts steps from 0, `total` is the schedule's length. */
#include <math.h>
#include <string.h>

#include "train/optimizer.h"

#define PI 3.14159265358979323846

typedef struct schedule_entry {
    const char *name;
    double (*lr)(const oc_recipe_values *values, int64_t t, int64_t total);
} schedule_entry;

/* The half-cosine rise from 0 over the warm-up's steps. */
static double warmup_lr(const oc_recipe_values *values, int64_t t) {
    return values->lr * 0.5 * (1 - cos(PI * (double)t / (double)values->warmup_steps));
}

static double constant_lr(const oc_recipe_values *values, int64_t t, int64_t total) {
    (void)total;
    return t < values->warmup_steps ? warmup_lr(values, t) : values->lr;
}

/* From lr to final_lr along half a cosine (Loshchilov & Hutter, SGDR, ICLR 2017, without restarts). */
static double cosine_lr(const oc_recipe_values *values, int64_t t, int64_t total) {
    int64_t warmup = values->warmup_steps;
    if (t < warmup) return warmup_lr(values, t);
    if (t >= total) return values->final_lr;
    double part = (double)(t - warmup) / (double)(total - warmup);
    return values->final_lr + 0.5 * (values->lr - values->final_lr) * (1 + cos(PI * part));
}

/* Smith & Topin, "Super-convergence", 2018, as torch.optim.lr_scheduler.OneCycleLR with its defaults: up from lr/25 in
 * 30 % of the steps, then down to lr/25/1e4, both along half a cosine. */
static double one_cycle_lr(const oc_recipe_values *values, int64_t t, int64_t total) {
    const double start = values->lr / 25, end = start / 1e4;
    const double peak = 0.3 * (double)total - 1, last = (double)total - 1, now = (double)t;
    double from = start, to = values->lr, part = peak > 0 ? now / peak : 1;
    if (now > peak) {
        from = values->lr;
        to = end;
        part = last > peak ? (now - peak) / (last - peak) : 1;
    }
    if (part > 1) part = 1;
    return to + 0.5 * (from - to) * (1 + cos(PI * part));
}

static const schedule_entry schedules[] = {
    {"constant", constant_lr},
    {"cosine", cosine_lr},
    {"one-cycle", one_cycle_lr},
};

double oc_schedule_lr(const oc_recipe_values *values, int64_t t, int64_t total) {
    /* Three short names a step: cheaper than a handle would be to explain. The recipe refuses any other name. */
    for (size_t i = 0; i < sizeof schedules / sizeof *schedules; i++)
        if (strcmp(schedules[i].name, values->schedule) == 0) return schedules[i].lr(values, t, total);
    return values->lr;
}
