/* What is kept of a picture to find it again: among others of the same pixels, and among copies that were saved again,
 * resized, brightened or cropped a little. */
#ifndef OC_DATA_DOCTOR_FINGERPRINT_H
#define OC_DATA_DOCTOR_FINGERPRINT_H

#include "data/image/decode.h"

#define OC_PRINT_SIDE 32   /* of the small grey picture */
#define OC_PRINT_PATCHES 4 /* a side, of which the colour is kept */
#define OC_PRINT_WAVES 11  /* frequencies of an axis that the hash knows, 0 included */

typedef struct oc_fingerprint {
    uint64_t pixels[2]; /* XXH3-128 of width, height and pixels */
    uint64_t hash;      /* signs of low frequencies: few differ between copies */
    bool flat;          /* next to one colour all over */
    bool plain;         /* the small picture is too even to be told from others */
    uint8_t grey[OC_PRINT_SIDE * OC_PRINT_SIDE];
    int8_t colour[OC_PRINT_PATCHES * OC_PRINT_PATCHES][2]; /* blue and red less grey, halved */
} oc_fingerprint;

/* The cosines of the transform: of each pixel of a row, by frequency, which is the way they are summed fastest. */
typedef struct oc_waves {
    float at[OC_PRINT_SIDE][OC_PRINT_WAVES];
} oc_waves;
void oc_waves_fill(oc_waves *waves);

/* Makes the fingerprint of an image, of which only the pixels count. Allocates nothing. */
void oc_fingerprint_make(oc_fingerprint *print, const oc_pixels *image, const oc_waves *waves);

/* The bits of a hash that are others in that of the mirror image, left and right exchanged. */
uint64_t oc_fingerprint_mirror_mask(void);

/* Whether two fingerprints, neither plain, are of one picture: of copies that differ in size, coding, brightness and
 * contrast, or by a crop of a few hundredths of the sides; with `mirrored`, of one and the mirror image of the other.
 */
bool oc_fingerprint_alike(const oc_fingerprint *a, const oc_fingerprint *b, bool mirrored);

#endif
