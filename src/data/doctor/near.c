/* Multi-index hashing (Norouzi, Punjani, Fleet: "Fast search in Hamming space with multi-index hashing", CVPR 2012).
 *
 * A hash is four parts of 16 bits. Of two that differ in at most 15 bits some part differs in at most 3, so that it
 * suffices to look up, for each part, the 697 values within 3 bits of it in a table of the places by that part's value,
 * and to count the bits that differ of what is there. */
#include "data/doctor/near.h"

#include "base/error.h"
#include "base/memory.h"

#define PARTS 4
#define PART_BITS 16
#define PART_VALUES (1 << PART_BITS)
#define PART_RADIUS (OC_NEAR_RADIUS / PARTS)
#define MASKS_MOST 697 /* 1 + 16 + 120 + 560 */

struct oc_near {
    const uint64_t *hash;
    uint16_t mask[MASKS_MOST]; /* what at most PART_RADIUS bits of a part can differ by */
    int masks;
    uint32_t *begin[PARTS]; /* [PART_VALUES + 1]: where the places of a value begin in `place` */
    uint32_t *place[PARTS]; /* [count], ascending within a value */
};

static unsigned part_of(uint64_t hash, int part) {
    return (unsigned)(hash >> (part * PART_BITS)) & (PART_VALUES - 1);
}

static int bits_of(uint64_t bits) {
    return __builtin_popcountll(bits);
}

/* Places by the value of one part: counted, then put where each value's begin. */
static oc_status part_fill(oc_near *near, int part, size_t count, oc_error *err) {
    uint32_t *begin, *place;
    oc_status status;
    OC_TRY(oc_alloc(&near->begin[part], PART_VALUES + 1, sizeof *begin, err));
    OC_TRY(oc_alloc(&near->place[part], count, sizeof *place, err));
    begin = near->begin[part];
    place = near->place[part];
    for (size_t i = 0; i < count; i++) begin[part_of(near->hash[i], part)]++;
    for (size_t v = 1; v <= PART_VALUES; v++) begin[v] += begin[v - 1];
    for (size_t i = count; i-- > 0;) place[--begin[part_of(near->hash[i], part)]] = (uint32_t)i;
cleanup:
    return status;
}

oc_status oc_near_create(oc_near **out, const uint64_t *hash, size_t count, oc_error *err) {
    oc_near *near = NULL;
    oc_status status;
    OC_TRY(oc_alloc(&near, 1, sizeof *near, err));
    near->hash = hash;
    for (unsigned mask = 0; mask < PART_VALUES; mask++)
        if (bits_of(mask) <= PART_RADIUS) near->mask[near->masks++] = (uint16_t)mask;
    for (int part = 0; part < PARTS; part++) OC_TRY(part_fill(near, part, count, err));
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
        oc_free((*near)->place[part]);
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

void oc_near_find(const oc_near *near, uint64_t hash, size_t below, oc_near_fn fn, void *user) {
    for (int part = 0; part < PARTS; part++)
        for (int m = 0; m < near->masks; m++) {
            const unsigned value = part_of(hash, part) ^ near->mask[m];
            const uint32_t *place = near->place[part] + near->begin[part][value];
            const uint32_t *end = near->place[part] + near->begin[part][value + 1];
            for (; place < end && *place < below; place++) {
                const uint64_t difference = hash ^ near->hash[*place];
                if (bits_of(difference) <= OC_NEAR_RADIUS && !is_found_before(difference, part)) fn(user, *place);
            }
        }
}
