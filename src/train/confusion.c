/* Counting confusions, and drawing them. */
#include "train/confusion.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/image/encode.h"
#include "eval/statistics.h"

#define COLOURS 256 /* white, and the shades */
#define SHADES (COLOURS - 1)
#define SIDE 512 /* pixels that a picture has at most, where cells are larger than the least */
#define CELL_LEAST 2
#define CELL_MOST 64
#define CELL_APART 8 /* from this size on, cells have a white line between them */

const char oc_confusion_description[] =
    "Confusion matrix of the best weights so far on the validation images. **Rows: true classes, columns: predicted "
    "classes**, both in the order of the weights file. The darker, the larger a cell's share of its row (by the square "
    "root of the share).";

oc_status oc_confusion_open(oc_confusion *confusion, int64_t classes, oc_error *err) {
    if (classes > OC_CONFUSION_MOST) return OC_OK;
    confusion->classes = classes;
    return oc_alloc(&confusion->count, (size_t)(classes * classes), sizeof *confusion->count, err);
}

void oc_confusion_free(oc_confusion *confusion) {
    oc_free(confusion->count);
    *confusion = (oc_confusion){0};
}

void oc_confusion_clear(oc_confusion *confusion) {
    if (confusion->count)
        memset(confusion->count, 0, (size_t)(confusion->classes * confusion->classes) * sizeof *confusion->count);
}

void oc_confusion_add(oc_confusion *confusion, int64_t label, const float *logits) {
    if (!confusion->count || label < 0) return;
    confusion->count[label * confusion->classes + oc_top1(logits, confusion->classes)]++;
}

/* White, for what is between cells; then from the palest blue, of nothing, to almost black, evenly darker, so that it
 * reads in grey and to the colour-blind. */
static void palette_fill(uint8_t palette[COLOURS][3]) {
    static const double stops[][3] = {{240, 244, 249}, {106, 154, 205}, {8, 20, 70}};
    memset(palette[0], 255, sizeof palette[0]);
    for (int i = 0; i < SHADES; i++) {
        const double at = 2.0 * i / (SHADES - 1);
        const int from = at < 1 ? 0 : 1;
        for (int c = 0; c < 3; c++)
            palette[1 + i][c] = (uint8_t)lround(stops[from][c] + (at - from) * (stops[from + 1][c] - stops[from][c]));
    }
}

/* Fills one class's rows of pixels: the first, and what repeats it. */
static void row_draw(uint8_t *pixels, const int64_t *count, int64_t classes, int cell) {
    const int filled = cell >= CELL_APART ? cell - 1 : cell;
    const size_t width = (size_t)classes * (size_t)cell;
    int64_t images = 0;
    for (int64_t k = 0; k < classes; k++) images += count[k];
    for (int64_t k = 0; k < classes; k++) {
        const double share = images > 0 ? (double)count[k] / (double)images : 0;
        memset(pixels + k * cell, 1 + (int)lround((SHADES - 1) * sqrt(share)), (size_t)filled);
    }
    for (int y = 1; y < filled; y++) memcpy(pixels + (size_t)y * width, pixels, width);
}

oc_status oc_confusion_png(unsigned char **png, size_t *size, int *side, const oc_confusion *confusion, oc_error *err) {
    oc_status status = OC_OK;
    uint8_t palette[COLOURS][3], *pixels = NULL;
    const int64_t classes = confusion->classes;
    int cell = (int)(SIDE / classes);
    if (cell < CELL_LEAST) cell = CELL_LEAST;
    if (cell > CELL_MOST) cell = CELL_MOST;
    *side = (int)classes * cell;
    OC_TRY(oc_alloc(&pixels, (size_t)*side, (size_t)*side, err)); /* zeros: white */
    for (int64_t k = 0; k < classes; k++)
        row_draw(pixels + (size_t)(k * cell) * (size_t)*side, confusion->count + k * classes, classes, cell);
    palette_fill(palette);
    OC_TRY(oc_png_encode_indexed(png, size, pixels, *side, *side, &palette[0][0], COLOURS, err));
cleanup:
    oc_free(pixels);
    return status;
}
