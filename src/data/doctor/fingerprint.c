/* Making fingerprints. The hash is of the kind of pHash (Zauner: "Implementation and Benchmarking of Perceptual Image
 * Hash Functions", 2010, section 3.2.1): the picture is averaged to 32x32 grey values and transformed by the DCT. Here
 * a bit is the sign of a coefficient, not its comparison with their median, which recalls cropped copies better, and
 * lets the mirror image's hash be known from the hash; and the coefficients are the 64 lowest but the mean, by the sum
 * of their frequencies, instead of a square. */
#include "data/doctor/fingerprint.h"

#include <math.h>
#include <string.h>
#include <xxhash.h>

#include "data/moments.h"

#define SIDE OC_PRINT_SIDE
#define PATCHES OC_PRINT_PATCHES
#define FLAT_DEVIATION (4.0 / 255) /* of every channel's pixels */
#define PLAIN_DEVIATION 2.5        /* of the small picture's grey values, of 255 */
#define PI 3.14159265358979323846

/* ---- The small picture ---- */

/* Sums over the columns of the small picture. In units in which a pixel has the width SIDE, and with it a column of the
 * small picture the width `width`, all overlaps are whole numbers: the average is exact and depends on nothing. */
static void row_add(uint64_t sum[SIDE][3], const uint8_t *row, int64_t width) {
    for (int64_t i = 0; i < SIDE; i++) {
        const int64_t from = i * width, to = from + width, first = from / SIDE, last = (to - 1) / SIDE;
        for (int c = 0; c < 3; c++) {
            uint64_t whole = 0;
            if (first == last) {
                sum[i][c] = (uint64_t)width * row[3 * first + c];
                continue;
            }
            for (int64_t x = first + 1; x < last; x++) whole += row[3 * x + c];
            sum[i][c] = whole * SIDE + (uint64_t)((first + 1) * SIDE - from) * row[3 * first + c] +
                        (uint64_t)(to - last * SIDE) * row[3 * last + c];
        }
    }
}

/* Averages an image of any size to [SIDE, SIDE, 3]; sums stay below 2^53. */
static void shrink(uint8_t small[SIDE][SIDE][3], const oc_pixels *image) {
    uint64_t cell[SIDE][SIDE][3] = {0}, row[SIDE][3];
    const int64_t height = image->height;
    const double area = (double)(image->width * height);
    for (int64_t y = 0; y < height; y++) {
        const int64_t from = y * SIDE, to = from + SIDE;
        row_add(row, image->data + 3 * y * image->width, image->width);
        for (int64_t j = from / height; j * height < to; j++) {
            const int64_t begin = j * height > from ? j * height : from;
            const int64_t end = (j + 1) * height < to ? (j + 1) * height : to;
            for (int i = 0; i < SIDE; i++)
                for (int c = 0; c < 3; c++) cell[j][i][c] += (uint64_t)(end - begin) * row[i][c];
        }
    }
    for (int j = 0; j < SIDE; j++)
        for (int i = 0; i < SIDE; i++)
            for (int c = 0; c < 3; c++) small[j][i][c] = (uint8_t)((double)cell[j][i][c] / area + 0.5);
}

static void grey_fill(uint8_t grey[SIDE * SIDE], uint8_t small[SIDE][SIDE][3]) {
    for (int j = 0; j < SIDE; j++)
        for (int i = 0; i < SIDE; i++) {
            const uint8_t *rgb = small[j][i];
            grey[j * SIDE + i] = (uint8_t)((77 * rgb[0] + 150 * rgb[1] + 29 * rgb[2] + 128) >> 8);
        }
}

static void colour_fill(oc_fingerprint *print, uint8_t small[SIDE][SIDE][3]) {
    enum { WIDTH = SIDE / PATCHES, PIXELS = WIDTH * WIDTH };
    for (int p = 0; p < PATCHES * PATCHES; p++) {
        int blue = 0, red = 0;
        for (int k = 0; k < PIXELS; k++) {
            const int j = p / PATCHES * WIDTH + k / WIDTH, i = p % PATCHES * WIDTH + k % WIDTH;
            const int grey = print->grey[j * SIDE + i];
            blue += small[j][i][2] - grey;
            red += small[j][i][0] - grey;
        }
        print->colour[p][0] = (int8_t)(blue / (2 * PIXELS));
        print->colour[p][1] = (int8_t)(red / (2 * PIXELS));
    }
}

static bool is_plain(const uint8_t grey[SIDE * SIDE]) {
    const int64_t count = (int64_t)SIDE * SIDE;
    int64_t sum = 0, squares = 0;
    for (int64_t i = 0; i < count; i++) {
        sum += grey[i];
        squares += grey[i] * grey[i];
    }
    return (double)(count * squares - sum * sum) < PLAIN_DEVIATION * PLAIN_DEVIATION * (double)(count * count);
}

static bool is_flat(const oc_pixels *image) {
    oc_moments moments = {0};
    double mean[3], deviation[3];
    oc_moments_add(&moments, image->data, image->width, image->height);
    oc_moments_find(&moments, mean, deviation);
    return deviation[0] < FLAT_DEVIATION && deviation[1] < FLAT_DEVIATION && deviation[2] < FLAT_DEVIATION;
}

/* ---- The hash ---- */

void oc_waves_fill(oc_waves *waves) {
    for (int x = 0; x < SIDE; x++)
        for (int u = 0; u < OC_PRINT_WAVES; u++) waves->at[x][u] = (float)cos(PI * u * (2 * x + 1) / (2 * SIDE));
}

/* The frequency, down and across, of each bit from the lowest on. */
static void wave_next(int *down, int *across) {
    if (*across > 0) {
        ++*down;
        --*across;
    } else {
        *across = *down + 1;
        *down = 0;
    }
}

uint64_t oc_fingerprint_mirror_mask(void) {
    uint64_t mask = 0;
    int down = 0, across = 0;
    for (int bit = 0; bit < 64; bit++) {
        wave_next(&down, &across);
        mask |= (uint64_t)(across & 1) << bit; /* a cosine of odd frequency changes its sign */
    }
    return mask;
}

static uint64_t hash_of(const uint8_t grey[SIDE * SIDE], const oc_waves *waves) {
    float across_rows[SIDE][OC_PRINT_WAVES] = {0};
    uint64_t hash = 0;
    int down = 0, across = 0;
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            const float value = grey[y * SIDE + x];
            for (int u = 0; u < OC_PRINT_WAVES; u++) across_rows[y][u] += waves->at[x][u] * value;
        }
    for (int bit = 0; bit < 64; bit++) {
        float sum = 0;
        wave_next(&down, &across);
        for (int y = 0; y < SIDE; y++) sum += waves->at[y][down] * across_rows[y][across];
        hash |= (uint64_t)(sum > 0) << bit;
    }
    return hash;
}

void oc_fingerprint_make(oc_fingerprint *print, const oc_pixels *image, const oc_waves *waves) {
    uint8_t small[SIDE][SIDE][3];
    const int64_t sizes[2] = {image->width, image->height};
    const XXH128_hash_t pixels = XXH3_128bits_withSeed(image->data, (size_t)(image->width * image->height) * 3,
                                                       XXH3_64bits(sizes, sizeof sizes));
    print->pixels[0] = pixels.high64;
    print->pixels[1] = pixels.low64;
    shrink(small, image);
    grey_fill(print->grey, small);
    colour_fill(print, small);
    print->flat = is_flat(image);
    print->plain = is_plain(print->grey);
    print->hash = hash_of(print->grey, waves);
}
