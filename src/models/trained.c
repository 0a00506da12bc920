/* The set of images behind a model. */
#include "models/trained.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/error.h"
#include "base/memory.h"

#define BITS 40 /* of a file's hash that are kept: fewer would take new images for known ones */
#define DIGIT_BITS 5
#define DIGITS_MOST ((BITS + DIGIT_BITS) / DIGIT_BITS) /* of a distance, which is up to 2^BITS */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int compare(const void *a, const void *b) {
    const uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* Adds images that are told as the set tells them. */
static oc_status add_images(oc_trained *trained, const uint64_t *image, size_t count, int shift, oc_error *err) {
    oc_status status = OC_OK;
    uint64_t *all = NULL;
    const size_t sum = trained->count + count;
    size_t kept = 0;
    if (count == 0) return OC_OK;
    OC_TRY(oc_alloc(&all, sum, sizeof *all, err));
    if (trained->count > 0) memcpy(all, trained->image, trained->count * sizeof *all);
    for (size_t i = 0; i < count; i++) all[trained->count + i] = image[i] >> shift;
    qsort(all, sum, sizeof *all, compare);
    for (size_t i = 0; i < sum; i++)
        if (i == 0 || all[i] != all[i - 1]) all[kept++] = all[i];
    oc_free(trained->image);
    trained->image = all;
    trained->count = kept;
cleanup:
    return status;
}

oc_status oc_trained_add(oc_trained *trained, const uint64_t *content, size_t count, oc_error *err) {
    return add_images(trained, content, count, 64 - BITS, err);
}

oc_status oc_trained_join(oc_trained *trained, const oc_trained *other, oc_error *err) {
    const oc_status status = add_images(trained, other->image, other->count, 0, err);
    if (status == OC_OK) trained->unrecorded |= other->unrecorded;
    return status;
}

void oc_trained_free(oc_trained *trained) {
    oc_free(trained->image);
    *trained = (oc_trained){0};
}

int64_t oc_trained_count(const oc_trained *trained, const uint64_t *content, size_t count) {
    int64_t known = 0;
    for (size_t i = 0; i < count && trained->count > 0; i++) {
        const uint64_t image = content[i] >> (64 - BITS);
        known += bsearch(&image, trained->image, trained->count, sizeof image, compare) != NULL;
    }
    return known == 0 && trained->unrecorded ? -1 : known;
}

/* ---- As text ---------------------------------------------------------------------------------------------------- */

static uint64_t digest(const oc_trained *trained) {
    return XXH3_64bits(trained->image, trained->count * sizeof *trained->image);
}

oc_status oc_trained_write(oc_text *out, const oc_trained *trained, oc_error *err) {
    oc_status status = OC_OK;
    uint64_t next = 0;
    OC_TRY(oc_text_printf(out, err, "%zu%s %016" PRIx64 " ", trained->count, trained->unrecorded ? "+" : "",
                          digest(trained)));
    for (size_t i = 0; i < trained->count; i++) {
        char digits[DIGITS_MOST];
        size_t length = 0;
        uint64_t rest = trained->image[i] - next;
        do {
            const unsigned more = rest >> DIGIT_BITS ? 1u << DIGIT_BITS : 0;
            digits[length++] = alphabet[(rest & ((1u << DIGIT_BITS) - 1)) | more];
            rest >>= DIGIT_BITS;
        } while (rest > 0);
        OC_TRY(oc_text_append(out, digits, length, err));
        next = trained->image[i] + 1;
    }
cleanup:
    return status;
}

/* The number that the digits at *text begin with; moves *text behind it. False where there is none below 2^BITS. */
static bool read_distance(uint64_t *out, const char **text) {
    *out = 0;
    for (int shift = 0; shift < BITS; shift += DIGIT_BITS) {
        const char *place = **text ? strchr(alphabet, **text) : NULL;
        if (!place) return false;
        const uint64_t digit = (uint64_t)(place - alphabet);
        *out |= (digit & ((1u << DIGIT_BITS) - 1)) << shift;
        (*text)++;
        if (digit >> DIGIT_BITS == 0) return true;
    }
    return false;
}

oc_status oc_trained_read(oc_trained *trained, const char *text, const char *path, oc_error *err) {
    oc_status status = OC_OK;
    oc_trained read = {0};
    char *end;
    uint64_t next = 0;
    errno = 0;
    const unsigned long long count = strtoull(text, &end, 10);
    read.unrecorded = *end == '+';
    if (read.unrecorded) end++;
    bool good = end != text && errno == 0 && *end == ' ';
    const char *hash = good ? end + 1 : end, *list = hash;
    const uint64_t said = good ? strtoull(hash, &end, 16) : 0;
    good = good && end == hash + 16 && *end == ' ';
    if (good) list = end + 1;
    /* Each takes a character at least, which bounds the memory. */
    good = good && count <= strlen(list);
    if (good && count > 0) OC_TRY(oc_alloc(&read.image, (size_t)count, sizeof *read.image, err));
    for (; good && read.count < count; read.count++) {
        uint64_t distance;
        good = read_distance(&distance, &list) && distance < ((uint64_t)1 << BITS) - next;
        if (good) read.image[read.count] = next + distance;
        if (good) next = read.image[read.count] + 1;
    }
    good = good && *list == '\0' && said == digest(&read);
    if (!good) {
        status = oc_fail(err, OC_E_FORMAT, path, "damaged metadata: 'trained_on' is not what it says it is");
        goto cleanup;
    }
    oc_trained_free(trained);
    *trained = read;
    read = (oc_trained){0};
cleanup:
    oc_trained_free(&read);
    return status;
}
