/* Multi-index hashing (Norouzi, Punjani, Fleet: "Fast search in Hamming space with multi-index hashing", CVPR 2012).
 *
 * A hash is four parts of 16 bits. Of two that differ in at most 15 bits some part differs in at most 3. So it
 * suffices, for each part and each of the 697 ways in which at most 3 of its bits can differ, to compare those hashes
 * whose parts differ in just that way. One such way of one part is a task: it runs through the hashes sorted by that
 * part, and through their counterparts in nearly that order, which the caches like better than looking up hash after
 * hash. */
#include "data/doctor/near.h"

#include "base/error.h"
#include "base/memory.h"

#define PARTS 4
#define PART_BITS 16
#define PART_VALUES (1 << PART_BITS)
#define PART_RADIUS (OC_NEAR_RADIUS / PARTS)
#define MASKS_MOST 697 /* 1 + 16 + 120 + 560 */

typedef struct entry {
    uint64_t hash;
    uint32_t place;
} entry;

struct oc_near {
    size_t count;
    uint16_t mask[MASKS_MOST]; /* what at most PART_RADIUS bits of a part can differ by */
    int masks;
    uint32_t *begin[PARTS]; /* [PART_VALUES + 1]: where the entries of a value begin */
    entry *entries[PARTS];  /* [count], places ascending within a value */
};

static unsigned part_of(uint64_t hash, int part) {
    return (unsigned)(hash >> (part * PART_BITS)) & (PART_VALUES - 1);
}

/* Counted in the word (Hamming weight by doubling fields), since the baseline of x86-64 has no instruction for it. */
static int bits_of(uint64_t bits) {
    bits -= bits >> 1 & 0x5555555555555555;
    bits = (bits & 0x3333333333333333) + (bits >> 2 & 0x3333333333333333);
    bits = (bits + (bits >> 4)) & 0x0f0f0f0f0f0f0f0f;
    return (int)(bits * 0x0101010101010101 >> 56);
}

/* Entries by the value of one part: counted, then put where each value's begin. */
static oc_status part_fill(oc_near *near, int part, const uint64_t *hash, size_t count, oc_error *err) {
    uint32_t *begin;
    oc_status status;
    OC_TRY(oc_alloc(&near->begin[part], PART_VALUES + 1, sizeof *begin, err));
    OC_TRY(oc_alloc(&near->entries[part], count, sizeof(entry), err));
    begin = near->begin[part];
    for (size_t i = 0; i < count; i++) begin[part_of(hash[i], part)]++;
    for (size_t v = 1; v <= PART_VALUES; v++) begin[v] += begin[v - 1];
    for (size_t i = count; i-- > 0;)
        near->entries[part][--begin[part_of(hash[i], part)]] = (entry){hash[i], (uint32_t)i};
cleanup:
    return status;
}

oc_status oc_near_create(oc_near **out, const uint64_t *hash, size_t count, oc_error *err) {
    oc_near *near = NULL;
    oc_status status;
    OC_TRY(oc_alloc(&near, 1, sizeof *near, err));
    near->count = count;
    for (unsigned mask = 0; mask < PART_VALUES; mask++)
        if (bits_of(mask) <= PART_RADIUS) near->mask[near->masks++] = (uint16_t)mask;
    for (int part = 0; part < PARTS; part++) OC_TRY(part_fill(near, part, hash, count, err));
    *out = near;
    near = NULL;
cleanup:
    oc_near_destroy(&near);
    return status;
}

void oc_near_destroy(oc_near **near) {
    if (!*near) return;
    for (int part = 0; part < PARTS; part++) {
        oc_free((*near)->begin[part]);
        oc_free((*near)->entries[part]);
    }
    oc_free(*near);
    *near = NULL;
}

/* Whether a part before `part` is within its radius, too: then the pair was found there. */
static bool is_found_before(uint64_t difference, int part) {
    for (int p = 0; p < part; p++)
        if (bits_of(part_of(difference, p)) <= PART_RADIUS) return true;
    return false;
}

int oc_near_tasks(const oc_near *near) {
    return PARTS * near->masks;
}

void oc_near_find(const oc_near *near, int task, uint64_t flip, oc_near_fn fn, void *user) {
    const int part = task / near->masks;
    const unsigned difference_of_part = near->mask[task % near->masks] ^ part_of(flip, part);
    const entry *entries = near->entries[part];
    const uint32_t *begin = near->begin[part];
    for (size_t i = 0; i < near->count; i++) {
        const unsigned own = part_of(entries[i].hash, part), other = own ^ difference_of_part;
        if (other < own) continue; /* the pair is met from the other side */
        for (size_t k = other == own ? i + 1 : begin[other]; k < begin[other + 1]; k++) {
            const uint64_t difference = entries[i].hash ^ entries[k].hash ^ flip;
            if (bits_of(difference) > OC_NEAR_RADIUS || is_found_before(difference, part)) continue;
            const uint32_t a = entries[i].place, b = entries[k].place;
            fn(user, a < b ? a : b, a < b ? b : a);
        }
    }
}
