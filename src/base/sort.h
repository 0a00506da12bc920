/* Sorting what is often in order already. */
#ifndef OC_BASE_SORT_H
#define OC_BASE_SORT_H

#include <stddef.h>

/* qsort, but that an array in order costs one comparison an element and stays as it is. */
void oc_sort(void *array, size_t count, size_t size, int (*compare)(const void *a, const void *b));

#endif
