/* Measuring candidates in place: with the packing of their filters and the conversion of their sources. */
#include "compute/conv/tune.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "compute/conv/algorithm.h"
#include "compute/conv/tuning_cache.h"
#include "compute/reorder.h"

/* What an effort is. */
static const struct {
    const char *name;
    int candidates; /* the best by estimate that are measured */
    int rounds;     /* at least; the quickest execution counts */
    double seconds; /* of rounds for each candidate, where that is more */
} efforts[] = {
    [OC_TUNE_OFF] = {"off", 0, 0, 0},
    [OC_TUNE_QUICK] = {"quick", 3, 3, 0.02},
    [OC_TUNE_FULL] = {"full", OC_CONV_CANDIDATES, 10, 0.1},
};
#define EFFORTS ((int)(sizeof efforts / sizeof *efforts))

struct oc_tuner {
    oc_tune effort;
    oc_tuning_cache *cache;
    uint32_t *scratch; /* what primitives are bound to while they are measured */
    size_t scratch_bytes;
};

oc_status oc_tune_find(oc_tune *out, const char *name, const char *where, oc_error *err) {
    const char *names[EFFORTS];
    *out = OC_TUNE_OFF;
    if (!name) return OC_OK;
    for (int i = 0; i < EFFORTS; i++) {
        names[i] = efforts[i].name;
        if (strcmp(name, efforts[i].name) != 0) continue;
        *out = (oc_tune)i;
        return OC_OK;
    }
    const char *nearest = oc_text_nearest(name, names, EFFORTS);
    return oc_fail(err, OC_E_USAGE, where, "\"%.100s\" is not off, quick or full%s%s%s", name,
                   nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
}

oc_status oc_tuner_create(oc_tuner **out, oc_tune effort, const char *folder, const oc_team *team, const oc_log *log,
                          oc_error *err) {
    oc_status status = OC_OK;
    oc_tuner *tuner = NULL;
    oc_text machine = {0};
    char processor[64], dnnl[24];
    *out = NULL;
    if (effort == OC_TUNE_OFF) return OC_OK;
    OC_TRY(oc_text_printf(&machine, err, "%s, %s, %d threads, ocelli %s %s, oneDNN %s",
                          oc_cpu_name(processor, sizeof processor), oc_cpu_level_name(oc_cpu_level_now()),
                          oc_team_threads(team), oc_version(), oc_commit(), oc_engine_dnnl_version(dnnl, sizeof dnnl)));
    OC_TRY(oc_alloc(&tuner, 1, sizeof *tuner, err));
    tuner->effort = effort;
    OC_TRY(oc_tuning_cache_create(&tuner->cache, folder, machine.data, log, err));
    *out = tuner;
    tuner = NULL;
cleanup:
    oc_tuner_destroy(&tuner);
    oc_text_free(&machine);
    return status;
}

void oc_tuner_destroy(oc_tuner **tuner) {
    if (!tuner || !*tuner) return;
    oc_tuning_cache_destroy(&(*tuner)->cache);
    oc_free((*tuner)->scratch);
    oc_free(*tuner);
    *tuner = NULL;
}

void oc_tuner_keep(oc_tuner *tuner) {
    if (!tuner) return;
    oc_tuning_cache_save(tuner->cache);
    oc_free(tuner->scratch);
    tuner->scratch = NULL;
    tuner->scratch_bytes = 0;
}

/* ---- A candidate, made to be executed --------------------------------------------------------------------------- */

/* What it takes, in the order of execution; NULL: nothing of the kind. */
enum { CONVERT, PACK, COMPUTE, PARTS };
typedef struct contender {
    oc_primitive *part[PARTS];
    double seconds;
} contender;

static void contender_destroy(contender *c) {
    for (int i = 0; i < PARTS; i++) oc_primitive_destroy(&c->part[i]);
}

static oc_status contender_create(contender *c, oc_engine *engine, const oc_conv_problem *given,
                                  const oc_conv_candidate *candidate, oc_error *err) {
    static const char layer[] = "tuning";
    oc_status status = OC_OK;
    oc_conv_problem problem = *given;
    problem.src = candidate->src;
    if (!oc_layout_equal(&given->src, &problem.src))
        OC_TRY(oc_reorder_create(&c->part[CONVERT], engine, layer, &given->src, &problem.src, err));
    OC_TRY(oc_conv_create(&c->part[COMPUTE], &c->part[PACK], engine, layer, candidate->algorithm, &problem, err));
    /* In inference a filter is packed once for all passes. */
    if (!problem.training) oc_primitive_destroy(&c->part[PACK]);
cleanup:
    return status;
}

/* Room for what any contender has in a slot. One place a slot: what one writes another reads in none. */
typedef struct places {
    size_t bytes[PARTS][OC_SLOTS];
} places;

static void places_grow(places *p, const contender *c) {
    for (int i = 0; i < PARTS; i++)
        for (int slot = 0; c->part[i] && slot < OC_SLOTS; slot++) {
            const oc_layout *layout = oc_primitive_layout(c->part[i], (oc_slot)slot);
            const size_t bytes = (oc_layout_bytes(layout) + OC_ALIGNMENT - 1) / OC_ALIGNMENT * OC_ALIGNMENT;
            if (bytes > p->bytes[i][slot]) p->bytes[i][slot] = bytes;
        }
}

static size_t places_bytes(const places *p) {
    size_t bytes = 0;
    for (int i = 0; i < PARTS; i++)
        for (int slot = 0; slot < OC_SLOTS; slot++) bytes += p->bytes[i][slot];
    return bytes;
}

static oc_status contender_bind(const contender *c, const places *p, unsigned char *memory, oc_error *err) {
    oc_status status = OC_OK;
    for (int i = 0; i < PARTS; i++)
        for (int slot = 0; slot < OC_SLOTS; memory += p->bytes[i][slot++])
            if (c->part[i] && !oc_layout_absent(oc_primitive_layout(c->part[i], (oc_slot)slot)))
                OC_TRY(oc_primitive_bind(c->part[i], (oc_slot)slot, memory, err));
cleanup:
    return status;
}

static oc_status contender_execute(const contender *c, oc_error *err) {
    oc_status status = OC_OK;
    for (int i = 0; i < PARTS; i++)
        if (c->part[i]) OC_TRY(oc_primitive_execute(c->part[i], err));
cleanup:
    return status;
}

/* Memory for the contenders, of small numbers that are the same read as floats or as bfloat16. */
static oc_status reserve(oc_tuner *tuner, size_t bytes, oc_error *err) {
    static const uint32_t numbers[4] = {0x3d8f3d8f, 0xbd0bbd0b, 0x3ccd3ccd, 0xbd85bd85};
    oc_status status = OC_OK;
    if (bytes > tuner->scratch_bytes) {
        oc_free(tuner->scratch);
        tuner->scratch_bytes = 0;
        OC_TRY(oc_alloc(&tuner->scratch, bytes, 1, err));
        tuner->scratch_bytes = bytes;
    }
    for (size_t i = 0; i < bytes / sizeof *numbers; i++) tuner->scratch[i] = numbers[i % 4];
cleanup:
    return status;
}

/* ---- Measuring -------------------------------------------------------------------------------------------------- */

/* Seconds of each: the first execution warms up, then they take turns, so that what else the machine does meets all. */
static oc_status time_all(const oc_tuner *tuner, contender *contenders, int count, oc_error *err) {
    oc_status status = OC_OK;
    const int rounds = efforts[tuner->effort].rounds;
    const double seconds = count * efforts[tuner->effort].seconds;
    double begin = 0;
    for (int round = -1; round < rounds || oc_clock_seconds() < begin + seconds; round++) {
        if (round == 0) begin = oc_clock_seconds();
        for (int i = 0; i < count; i++) {
            const double before = oc_clock_seconds();
            OC_TRY(contender_execute(&contenders[i], err));
            const double took = oc_clock_seconds() - before;
            if (round <= 0 || took < contenders[i].seconds) contenders[i].seconds = took;
        }
    }
cleanup:
    return status;
}

/* Measures the first `count` candidates. */
static oc_status measure(oc_tuner *tuner, oc_engine *engine, const oc_conv_problem *problem, const char *key,
                         const oc_conv_ranking *ranking, int count, oc_error *err) {
    oc_status status = OC_OK;
    contender contenders[OC_CONV_CANDIDATES] = {0};
    places places = {0};
    for (int i = 0; i < count; i++) {
        OC_TRY(contender_create(&contenders[i], engine, problem, &ranking->candidate[i], err));
        places_grow(&places, &contenders[i]);
    }
    OC_TRY(reserve(tuner, places_bytes(&places), err));
    for (int i = 0; i < count; i++)
        OC_TRY(contender_bind(&contenders[i], &places, (unsigned char *)tuner->scratch, err));
    OC_TRY(time_all(tuner, contenders, count, err));
    for (int i = 0; i < count; i++)
        OC_TRY(oc_tuning_cache_add(tuner->cache, key, oc_conv_algorithm_name(ranking->candidate[i].algorithm),
                                   contenders[i].seconds, err));
cleanup:
    for (int i = 0; i < count; i++) contender_destroy(&contenders[i]);
    return status;
}

/* Everything of a problem that its time depends on, as the cache names it. */
static oc_status describe(oc_text *out, const oc_conv_problem *p, oc_error *err) {
    oc_status status = OC_OK;
    char src[96], dst[96];
    const int64_t *in = p->src.shape.dim, *result = p->dst.shape.dim;
    OC_TRY(oc_text_printf(
        out, err, "%s, %s, %lldx%lldx%lldx%lld %s to %lldx%lldx%lldx%lld %s, filter %lldx%lld, ", oc_conv_what(p->pass),
        p->training ? "training" : "inference", (long long)in[0], (long long)in[1], (long long)in[2], (long long)in[3],
        oc_layout_text(&p->src, src, sizeof src), (long long)result[0], (long long)result[1], (long long)result[2],
        (long long)result[3], oc_layout_text(&p->dst, dst, sizeof dst), (long long)p->kh, (long long)p->kw));
    OC_TRY(oc_text_printf(out, err, "groups %lld, stride %lld, pad %lld, dilation %lld%s", (long long)p->groups,
                          (long long)p->stride, (long long)p->pad, (long long)p->dilation, p->bias ? ", bias" : ""));
    for (int i = 0; i < p->posts; i++)
        OC_TRY(oc_text_printf(out, err, ", %s", p->post[i] == OC_POST_RELU ? "relu" : "add"));
cleanup:
    return status;
}

/* Fills in what is known of the candidates; true when that is so of the first `count`. */
static bool look_up(const oc_tuner *tuner, const char *key, oc_conv_ranking *ranking, int count) {
    bool all = true;
    for (int i = 0; i < ranking->count; i++) {
        oc_conv_candidate *c = &ranking->candidate[i];
        c->seconds = oc_tuning_cache_find(tuner->cache, key, oc_conv_algorithm_name(c->algorithm));
        all = all && (i >= count || c->seconds > 0);
    }
    return all;
}

static bool is_before(const oc_conv_candidate *a, const oc_conv_candidate *b) {
    return a->seconds > 0 && (!(b->seconds > 0) || a->seconds < b->seconds);
}

oc_status oc_tuner_order(oc_tuner *tuner, oc_engine *engine, const oc_conv_problem *problem, oc_conv_ranking *ranking,
                         oc_error *err) {
    oc_status status = OC_OK;
    oc_text key = {0};
    const int most = efforts[tuner->effort].candidates, count = ranking->count < most ? ranking->count : most;
    OC_TRY(describe(&key, problem, err));
    if (count > 1 && !look_up(tuner, key.data, ranking, count)) {
        OC_TRY(measure(tuner, engine, problem, key.data, ranking, count, err));
        (void)look_up(tuner, key.data, ranking, count);
    }
    for (int i = 1; i < ranking->count; i++)
        for (int j = i; j > 0 && is_before(&ranking->candidate[j], &ranking->candidate[j - 1]); j--) {
            const oc_conv_candidate other = ranking->candidate[j];
            ranking->candidate[j] = ranking->candidate[j - 1];
            ranking->candidate[j - 1] = other;
        }
cleanup:
    oc_text_free(&key);
    return status;
}
