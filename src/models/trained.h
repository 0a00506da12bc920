/* Which images a model was trained on, as its weights file records it, so that whoever measures it can tell images that
 * it knows from new ones. An image is told by the bytes of its file: names, times and places do not matter, and an
 * image that lies in two splits is the same image. */
#ifndef OC_MODELS_TRAINED_H
#define OC_MODELS_TRAINED_H

#include "base/text.h"
#include "ocelli/ocelli.h"

/* Start from {0}, which has been trained on nothing; end with oc_trained_free. */
typedef struct oc_trained {
    uint64_t *image; /* [count] the upper 40 bits of XXH3-64 of each file, ascending, none twice; owned */
    size_t count;
    bool unrecorded; /* training on further images is behind the weights, of which there is no record */
} oc_trained;

/* Adds files by the XXH3-64 of their bytes, content[count]. OC_E_MEMORY, *trained untouched. */
oc_status oc_trained_add(oc_trained *trained, const uint64_t *content, size_t count, oc_error *err);
/* Adds all that another was trained on. OC_E_MEMORY. */
oc_status oc_trained_join(oc_trained *trained, const oc_trained *other, oc_error *err);
void oc_trained_free(oc_trained *trained);

/* How many of the files content[count] it was trained on. By chance it takes a file for another once in 10^12 pairs.
 * -1: there is no record, and no file of it is known. */
int64_t oc_trained_count(const oc_trained *trained, const uint64_t *content, size_t count);

/* As text for a weights file: "COUNT DIGEST IMAGES", of equal sets equal. COUNT is followed by a "+" where there is an
 * unrecorded rest; DIGEST: XXH3-64 of the list as little-endian uint64, 16 hexadecimal digits; IMAGES: each one's
 * distance from the one before (the first one's from -1), in digits of base 32 from the lowest, A-Z a-f standing for a
 * digit that is a number's last and g-z 0-9 + / for one that more follow, as in source maps' VLQ. Appends. */
oc_status oc_trained_write(oc_text *out, const oc_trained *trained, oc_error *err);
/* Replaces *trained by what the text says. OC_E_FORMAT, naming `path`. */
oc_status oc_trained_read(oc_trained *trained, const char *text, const char *path, oc_error *err);

#endif
