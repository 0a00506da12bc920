/* Groups by union-find (Galler, Fischer: "An improved equivalence algorithm", CACM 1964): equal pixels by sorting, then
 * what the search finds and the comparison confirms. Threads compare, and between two portions of them their findings
 * are joined: the groups are what is connected, whoever finds it and when. Pairs that are in one group already are not
 * compared, which keeps a film of a hundred thousand frames from being a hundred thousand squared comparisons. */
#include "data/doctor/groups.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/doctor/near.h"

#define PORTION 1024 /* pictures looked up between two joins */
#define GRAIN 16

typedef struct pair {
    uint32_t a, b;
} pair;

/* What one thread found in a portion. */
typedef struct pair_list {
    pair *item;
    size_t count, capacity;
    bool full; /* no memory */
} pair_list;

typedef struct search {
    const oc_picture *picture;
    const uint32_t *of; /* [count]: the pictures that are looked up, one of each pixels, by place */
    const uint32_t *joined; /* group or mirror, as the last portion left it */
    const oc_near *near;
    const uint64_t *hash; /* [count] */
    uint64_t mask;        /* 0, or the mirror's */
    size_t begin;         /* of the portion */
    pair_list *found;     /* [threads] */
} search;

/* ---- Joining ---- */

static uint32_t root_of(uint32_t *parent, uint32_t i) {
    while (parent[i] != i) i = parent[i] = parent[parent[i]];
    return i;
}

/* The smaller place becomes the root. */
static void join(uint32_t *parent, uint32_t a, uint32_t b) {
    a = root_of(parent, a);
    b = root_of(parent, b);
    if (a < b)
        parent[b] = a;
    else
        parent[a] = b;
}

static void flatten(uint32_t *parent, size_t count) {
    for (size_t i = 0; i < count; i++) parent[i] = root_of(parent, (uint32_t)i);
}

/* ---- Equal pixels ---- */

typedef struct pixels_at {
    uint64_t pixels[2];
    uint32_t place;
} pixels_at;

static int compare_pixels(const void *a, const void *b) {
    const pixels_at *x = a, *y = b;
    const int order = memcmp(x->pixels, y->pixels, sizeof x->pixels);
    return order ? order : (x->place > y->place) - (x->place < y->place);
}

static bool is_apart(const oc_picture *picture) {
    return picture->absent || picture->print.flat;
}

static oc_status same_find(uint32_t *same, const oc_picture *picture, size_t count, oc_error *err) {
    pixels_at *list = NULL;
    size_t listed = 0;
    oc_status status;
    OC_TRY(oc_alloc(&list, count, sizeof *list, err));
    for (size_t i = 0; i < count; i++) {
        same[i] = (uint32_t)i;
        if (is_apart(&picture[i])) continue;
        memcpy(list[listed].pixels, picture[i].print.pixels, sizeof list->pixels);
        list[listed++].place = (uint32_t)i;
    }
    if (listed > 0) qsort(list, listed, sizeof *list, compare_pixels);
    for (size_t i = 1; i < listed; i++)
        if (memcmp(list[i].pixels, list[i - 1].pixels, sizeof list->pixels) == 0)
            same[list[i].place] = same[list[i - 1].place];
cleanup:
    oc_free(list);
    return status;
}

/* ---- Pictures that are alike ---- */

/* One look-up, whose candidates are compared as they come. */
typedef struct lookup {
    const search *s;
    pair_list *found;
    uint32_t place;
} lookup;

static void on_candidate(void *user, uint32_t other) {
    const lookup *l = user;
    const search *s = l->s;
    const uint32_t a = s->of[other], b = s->of[l->place];
    const bool mirrored = s->mask != 0;
    if (s->joined[a] == s->joined[b]) return;
    if (mirrored && s->picture[a].split == s->picture[b].split) return;
    if (!oc_fingerprint_alike(&s->picture[a].print, &s->picture[b].print, mirrored)) return;
    if (oc_grow(&l->found->item, &l->found->capacity, l->found->count + 1, sizeof(pair), NULL) != OC_OK)
        l->found->full = true;
    else
        l->found->item[l->found->count++] = (pair){a, b};
}

static void search_range(void *user, int64_t begin, int64_t end, int worker) {
    const search *s = user;
    for (size_t i = s->begin + (size_t)begin; i < s->begin + (size_t)end; i++) {
        lookup l = {s, &s->found[worker], (uint32_t)i};
        oc_near_find(s->near, s->hash[i] ^ s->mask, i, on_candidate, &l);
    }
}

/* Joins in parent[count] what is alike among the `looked` pictures of the search. */
static oc_status search_run(search *s, uint32_t *parent, size_t count, size_t looked, oc_team *team, const char *what,
                            const oc_progress *progress, oc_error *err) {
    const int threads = oc_team_threads(team);
    oc_status status;
    s->joined = parent;
    OC_TRY(oc_alloc(&s->found, (size_t)threads, sizeof *s->found, err));
    for (s->begin = 0; s->begin < looked; s->begin += PORTION) {
        const size_t left = looked - s->begin;
        if (!oc_progress_report(progress, what, (int64_t)s->begin, (int64_t)looked)) {
            status = oc_fail(err, OC_E_STOPPED, NULL, "stopped while comparing pictures");
            goto cleanup;
        }
        oc_parallel_for_dynamic(team, (int64_t)(left < PORTION ? left : PORTION), GRAIN, search_range, s);
        for (int t = 0; t < threads; t++) {
            if (s->found[t].full) {
                status = oc_fail(err, OC_E_MEMORY, NULL, "no memory for pairs of pictures");
                goto cleanup;
            }
            for (size_t i = 0; i < s->found[t].count; i++) join(parent, s->found[t].item[i].a, s->found[t].item[i].b);
            s->found[t].count = 0;
        }
        flatten(parent, count);
    }
    oc_progress_report(progress, what, (int64_t)looked, (int64_t)looked);
cleanup:
    for (int t = 0; s->found && t < threads; t++) oc_free(s->found[t].item);
    oc_free(s->found);
    s->found = NULL;
    return status;
}

oc_status oc_groups_find(oc_groups *out, const oc_picture *picture, size_t count, oc_team *team,
                         const oc_progress *progress, oc_error *err) {
    search s = {.picture = picture};
    uint32_t *of = NULL;
    uint64_t *hash = NULL;
    oc_near *near = NULL;
    size_t looked = 0;
    oc_status status;
    *out = (oc_groups){0};
    OC_TRY(oc_alloc(&out->same, count, sizeof *out->same, err));
    OC_TRY(oc_alloc(&out->group, count, sizeof *out->group, err));
    OC_TRY(oc_alloc(&out->mirror, count, sizeof *out->mirror, err));
    OC_TRY(oc_alloc(&of, count, sizeof *of, err));
    OC_TRY(oc_alloc(&hash, count, sizeof *hash, err));
    OC_TRY(same_find(out->same, picture, count, err));
    for (size_t i = 0; i < count; i++) {
        out->group[i] = out->same[i];
        if (is_apart(&picture[i]) || picture[i].print.plain || out->same[i] != i) continue;
        of[looked] = (uint32_t)i;
        hash[looked++] = picture[i].print.hash;
    }
    OC_TRY(oc_near_create(&near, hash, looked, err));
    s.of = of;
    s.hash = hash;
    s.near = near;
    OC_TRY(search_run(&s, out->group, count, looked, team, "compare pictures", progress, err));
    if (count > 0) memcpy(out->mirror, out->group, count * sizeof *out->mirror);
    s.mask = oc_fingerprint_mirror_mask();
    status = search_run(&s, out->mirror, count, looked, team, "compare mirror images", progress, err);
cleanup:
    oc_near_destroy(&near);
    oc_free(hash);
    oc_free(of);
    return status;
}

void oc_groups_free(oc_groups *groups) {
    oc_free(groups->same);
    oc_free(groups->group);
    oc_free(groups->mirror);
    *groups = (oc_groups){0};
}
