/* Classes in an order that shows which are taken for each other. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "report/report.h"

#define CLASSES_MOST 4096 /* the square of it is held in memory */

/* A cluster is named by its first class; its leaves are a list in the order in which they will stand. */
typedef struct clusters {
    int64_t classes;
    float *near;      /* [classes, classes] average similarity of clusters; −1 beside what is no cluster any more */
    float *apart;     /* [classes, classes] similarity of classes */
    int32_t *nearest; /* [classes]: of each cluster another one; −1: gone */
    int32_t *leaf;    /* [classes, classes]: the leaves of each cluster */
    int32_t *size;    /* [classes] */
} clusters;

static void nearest_find(clusters *c, int64_t of) {
    const float *row = c->near + of * c->classes;
    int64_t best = -1;
    for (int64_t i = 0; i < c->classes; i++)
        if (i != of && c->nearest[i] != -1 && (best < 0 || row[i] > row[best])) best = i;
    c->nearest[of] = (int32_t)(best < 0 ? of : best);
}

/* How often one of two classes is guessed for the other, as shares of their images. */
static void similarity_fill(clusters *c, const int64_t *confusion, int64_t *images) {
    const int64_t n = c->classes;
    for (int64_t a = 0; a < n; a++)
        for (int64_t b = 0; b < n; b++) images[a] += confusion[a * n + b];
    for (int64_t a = 0; a < n; a++)
        for (int64_t b = 0; b < n; b++) {
            const double as_b = images[a] > 0 ? (double)confusion[a * n + b] / (double)images[a] : 0;
            const double as_a = images[b] > 0 ? (double)confusion[b * n + a] / (double)images[b] : 0;
            c->apart[a * n + b] = c->near[a * n + b] = (float)(as_b + as_a);
        }
}

static void reverse(int32_t *leaf, int32_t size) {
    for (int32_t i = 0; i < size / 2; i++) {
        const int32_t other = leaf[i];
        leaf[i] = leaf[size - 1 - i];
        leaf[size - 1 - i] = other;
    }
}

/* Puts b's leaves behind a's, each list turned so that those which meet are as similar as can be. */
static void leaves_join(clusters *c, int64_t a, int64_t b) {
    const int64_t n = c->classes;
    int32_t *first = c->leaf + a * n, *second = c->leaf + b * n;
    float best = -1;
    int turned = 0;
    for (int turn = 0; turn < 4; turn++) {
        const int32_t end = first[turn & 1 ? 0 : c->size[a] - 1], begin = second[turn & 2 ? c->size[b] - 1 : 0];
        if (c->apart[end * n + begin] > best) {
            best = c->apart[end * n + begin];
            turned = turn;
        }
    }
    if (turned & 1) reverse(first, c->size[a]);
    if (turned & 2) reverse(second, c->size[b]);
    memcpy(first + c->size[a], second, (size_t)c->size[b] * sizeof *first);
}

/* Makes b part of a. */
static void merge(clusters *c, int64_t a, int64_t b) {
    const int64_t n = c->classes;
    const float in_a = (float)c->size[a], in_b = (float)c->size[b];
    leaves_join(c, a, b);
    for (int64_t i = 0; i < n; i++)
        c->near[a * n + i] = c->near[i * n + a] =
            (in_a * c->near[a * n + i] + in_b * c->near[b * n + i]) / (in_a + in_b);
    c->size[a] += c->size[b];
    c->nearest[b] = -1;
    for (int64_t i = 0; i < n; i++) {
        if (c->nearest[i] == -1) continue;
        const float to_a = c->near[i * n + a];
        const bool other = i == a || c->nearest[i] == a || c->nearest[i] == b;
        /* Where it is as near as its parts were, no other is nearer: of classes that are not alike there are many. */
        if (other && (i == a || to_a != c->near[i * n + b]))
            nearest_find(c, i);
        else if (other || to_a > c->near[i * n + c->nearest[i]])
            c->nearest[i] = (int32_t)a;
    }
}

static void cluster(clusters *c) {
    const int64_t n = c->classes;
    for (int64_t i = 0; i < n; i++) nearest_find(c, i);
    for (int64_t left = n; left > 1; left--) {
        int64_t a = -1;
        for (int64_t i = 0; i < n; i++)
            if (c->nearest[i] != -1 && (a < 0 || c->near[i * n + c->nearest[i]] > c->near[a * n + c->nearest[a]]))
                a = i;
        const int64_t b = c->nearest[a];
        merge(c, a < b ? a : b, a < b ? b : a);
    }
}

oc_status oc_similar_order(int32_t *order, const int64_t *confusion, int64_t classes, oc_error *err) {
    oc_status status = OC_OK;
    clusters c = {.classes = classes};
    int64_t *images = NULL;
    const size_t square = (size_t)(classes * classes);
    for (int64_t i = 0; i < classes; i++) order[i] = (int32_t)i;
    if (classes < 3 || classes > CLASSES_MOST) return OC_OK;
    OC_TRY(oc_alloc(&images, (size_t)classes, sizeof *images, err));
    OC_TRY(oc_alloc(&c.near, square, sizeof *c.near, err));
    OC_TRY(oc_alloc(&c.apart, square, sizeof *c.apart, err));
    OC_TRY(oc_alloc(&c.leaf, square, sizeof *c.leaf, err));
    OC_TRY(oc_alloc(&c.nearest, (size_t)classes, sizeof *c.nearest, err));
    OC_TRY(oc_alloc(&c.size, (size_t)classes, sizeof *c.size, err));
    similarity_fill(&c, confusion, images);
    for (int64_t i = 0; i < classes; i++) {
        c.leaf[i * classes] = (int32_t)i;
        c.size[i] = 1;
    }
    cluster(&c);
    memcpy(order, c.leaf, (size_t)classes * sizeof *order);
cleanup:
    oc_free(images);
    oc_free(c.near);
    oc_free(c.apart);
    oc_free(c.leaf);
    oc_free(c.nearest);
    oc_free(c.size);
    return status;
}
