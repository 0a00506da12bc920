/* Groups by union-find: equal pixels by sorting, then what the search finds and the comparison confirms. The threads
 * share the forest (Jayanti, Tarjan: "A Randomized Concurrent Algorithm for Disjoint Set Union", PODC 2016, but that
 * the smaller place is the root): the groups are what is connected, whoever finds it and when. Two that are in one
 * group already are not compared, which keeps a film of many thousand frames from being that squared in comparisons. */
#include "data/doctor/groups.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/doctor/near.h"

#define PORTION 32 /* tasks between two progress reports */

/* ---- Joining ---- */

typedef _Atomic uint32_t node; /* its parent; a root is its own */

static uint32_t root_of(node *forest, uint32_t i) {
    for (;;) {
        uint32_t parent = atomic_load(&forest[i]);
        const uint32_t above = atomic_load(&forest[parent]);
        if (parent == above) return parent;
        atomic_compare_exchange_weak(&forest[i], &parent, above); /* the way becomes shorter, or another made it so */
        i = above;
    }
}

static void join(node *forest, uint32_t a, uint32_t b) {
    for (;;) {
        a = root_of(forest, a);
        b = root_of(forest, b);
        if (a == b) return;
        const uint32_t smaller = a < b ? a : b, larger = a < b ? b : a;
        uint32_t expected = larger;
        if (atomic_compare_exchange_strong(&forest[larger], &expected, smaller)) return;
    }
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

typedef struct search {
    const oc_picture *picture;
    uint32_t *of; /* [count]: the pictures that are compared, one of each pixels, by place */
    uint64_t *hash;
    size_t count;
    oc_near *near;
    node *forest;  /* of all pictures */
    uint64_t flip; /* 0, or the mirror's */
    int begin;     /* of the portion */
} search;

static void on_candidate(void *user, uint32_t i, uint32_t k) {
    const search *s = user;
    const uint32_t a = s->of[i], b = s->of[k];
    const oc_picture *x = &s->picture[a], *y = &s->picture[b];
    const bool mirrored = s->flip != 0;
    if (mirrored && x->split == y->split) return;
    if (root_of(s->forest, a) == root_of(s->forest, b)) return;
    if (oc_fingerprint_alike(&x->print, &y->print, mirrored)) join(s->forest, a, b);
}

static void search_range(void *user, int64_t begin, int64_t end, int worker) {
    search *s = user;
    (void)worker;
    for (int64_t i = begin; i < end; i++) oc_near_find(s->near, s->begin + (int)i, s->flip, on_candidate, s);
}

/* Joins in the forest what is alike, or mirrored. */
static oc_status search_run(search *s, uint64_t flip, const char *what, oc_team *team, const oc_progress *progress,
                            oc_error *err) {
    const int tasks = oc_near_tasks(s->near);
    s->flip = flip;
    for (s->begin = 0; s->begin < tasks; s->begin += PORTION) {
        const int left = tasks - s->begin;
        if (!oc_progress_report(progress, what, s->begin, tasks))
            return oc_fail(err, OC_E_STOPPED, NULL, "stopped while comparing pictures");
        oc_parallel_for_dynamic(team, left < PORTION ? left : PORTION, 1, search_range, s);
    }
    oc_progress_report(progress, what, tasks, tasks);
    return OC_OK;
}

static oc_status search_create(search *s, const oc_picture *picture, const uint32_t *same, size_t count,
                               oc_error *err) {
    oc_status status;
    s->picture = picture;
    OC_TRY(oc_alloc(&s->of, count, sizeof *s->of, err));
    OC_TRY(oc_alloc(&s->hash, count, sizeof *s->hash, err));
    OC_TRY(oc_alloc(&s->forest, count, sizeof *s->forest, err));
    for (size_t i = 0; i < count; i++) {
        atomic_init(&s->forest[i], same[i]);
        if (is_apart(&picture[i]) || picture[i].print.plain || same[i] != i) continue;
        s->of[s->count] = (uint32_t)i;
        s->hash[s->count++] = picture[i].print.hash;
    }
    status = oc_near_create(&s->near, s->hash, s->count, err);
cleanup:
    return status;
}

static void search_free(search *s) {
    oc_near_destroy(&s->near);
    oc_free(s->forest);
    oc_free(s->hash);
    oc_free(s->of);
}

static void roots_copy(uint32_t *root, node *forest, size_t count) {
    for (size_t i = 0; i < count; i++) root[i] = root_of(forest, (uint32_t)i);
}

oc_status oc_groups_find(oc_groups *out, const oc_picture *picture, size_t count, oc_team *team,
                         const oc_progress *progress, oc_error *err) {
    search s = {0};
    oc_status status;
    *out = (oc_groups){0};
    OC_TRY(oc_alloc(&out->same, count, sizeof *out->same, err));
    OC_TRY(oc_alloc(&out->group, count, sizeof *out->group, err));
    OC_TRY(oc_alloc(&out->mirror, count, sizeof *out->mirror, err));
    OC_TRY(same_find(out->same, picture, count, err));
    OC_TRY(search_create(&s, picture, out->same, count, err));
    OC_TRY(search_run(&s, 0, "compare pictures", team, progress, err));
    roots_copy(out->group, s.forest, count);
    OC_TRY(search_run(&s, oc_fingerprint_mirror_mask(), "compare mirror images", team, progress, err));
    roots_copy(out->mirror, s.forest, count);
cleanup:
    search_free(&s);
    return status;
}

void oc_groups_free(oc_groups *groups) {
    oc_free(groups->same);
    oc_free(groups->group);
    oc_free(groups->mirror);
    *groups = (oc_groups){0};
}
