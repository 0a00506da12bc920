/* See the header. */
#include "base/sort.h"

#include <stdlib.h>

void oc_sort(void *array, size_t count, size_t size, int (*compare)(const void *a, const void *b)) {
    const char *at = array;
    for (size_t i = 1; i < count; i++, at += size)
        if (compare(at, at + size) > 0) {
            qsort(array, count, size, compare);
            return;
        }
}
