/* The hash table of names. */
#include "tensor/name_index.h"

#include <string.h>
#include <xxhash.h>

#include "base/error.h"
#include "base/memory.h"

#define SLOTS_FIRST ((size_t)64)

/* The name's slot, or the free one where it belongs; there is always a free one. */
static struct oc_name_slot *slot_of(struct oc_name_slot *slots, size_t count, const char *name) {
    size_t i = (size_t)XXH3_64bits(name, strlen(name)) & (count - 1);
    while (slots[i].name && strcmp(slots[i].name, name) != 0) i = (i + 1) & (count - 1);
    return &slots[i];
}

oc_status oc_name_index_add(oc_name_index *index, const char *name, size_t place, oc_error *err) {
    if (2 * (index->used + 1) > index->slots) {
        size_t slots = index->slots ? 2 * index->slots : SLOTS_FIRST;
        struct oc_name_slot *fresh;
        oc_status status = oc_alloc(&fresh, slots, sizeof *fresh, err);
        if (status != OC_OK) return status;
        for (size_t i = 0; i < index->slots; i++)
            if (index->slot[i].name) *slot_of(fresh, slots, index->slot[i].name) = index->slot[i];
        oc_free(index->slot);
        index->slot = fresh;
        index->slots = slots;
    }
    *slot_of(index->slot, index->slots, name) = (struct oc_name_slot){name, place};
    index->used++;
    return OC_OK;
}

size_t oc_name_index_find(const oc_name_index *index, const char *name) {
    if (index->slots == 0) return OC_NAME_ABSENT;
    const struct oc_name_slot *slot = slot_of(index->slot, index->slots, name);
    return slot->name ? slot->place : OC_NAME_ABSENT;
}

void oc_name_index_free(oc_name_index *index) {
    oc_free(index->slot);
    *index = (oc_name_index){0};
}
