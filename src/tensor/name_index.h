/* From a name to its place in a list: a hash table with open addressing, for tables and files of many tensors. */
#ifndef OC_TENSOR_NAME_INDEX_H
#define OC_TENSOR_NAME_INDEX_H

#include "ocelli/base.h"

#define OC_NAME_ABSENT SIZE_MAX

/* Start from {0}. */
typedef struct oc_name_index {
    struct oc_name_slot {
        const char *name; /* borrowed; NULL: free */
        size_t place;
    } * slot;
    size_t slots, used; /* slots: 0 or a power of two */
} oc_name_index;

/* Adds a name that is not in it yet; `name` must live as long as the index. OC_E_MEMORY. */
oc_status oc_name_index_add(oc_name_index *index, const char *name, size_t place, oc_error *err);
/* The name's place, or OC_NAME_ABSENT. */
size_t oc_name_index_find(const oc_name_index *index, const char *name);
void oc_name_index_free(oc_name_index *index);

#endif
