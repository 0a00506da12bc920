/* The confusion matrix of a validation, counted on the way, and its picture. */
#ifndef OC_TRAIN_CONFUSION_H
#define OC_TRAIN_CONFUSION_H

#include "ocelli/base.h"

/* A picture of more classes shows nothing that could be seen, and takes long. */
#define OC_CONFUSION_MOST 2048

/* Start from {0}; while `count` is NULL it counts nothing. */
typedef struct oc_confusion {
    int64_t classes;
    int64_t *count; /* [classes, classes]: images by class, then by guess */
} oc_confusion;

/* Makes room; of more than OC_CONFUSION_MOST classes it stays as it was. */
oc_status oc_confusion_open(oc_confusion *confusion, int64_t classes, oc_error *err);
void oc_confusion_free(oc_confusion *confusion);
void oc_confusion_clear(oc_confusion *confusion);
/* One more image, of a class (below 0: not known, and not counted), with its logits [classes]. */
void oc_confusion_add(oc_confusion *confusion, int64_t label, const float *logits);

/* What the picture says, as Markdown. */
extern const char oc_confusion_description[];

/* *png = *size bytes of a PNG, *side pixels wide and high; freed with free. Rows are true classes from the top, columns
 * guesses from the left, the darker the larger their share of the row's images: shades go by the square root of the
 * share, so that rare confusions are seen. A cell has from 2 pixels (of many classes) to 64. */
oc_status oc_confusion_png(unsigned char **png, size_t *size, int *side, const oc_confusion *confusion, oc_error *err);

#endif
