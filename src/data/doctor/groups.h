/* Which pictures of a data set are one and the same. */
#ifndef OC_DATA_DOCTOR_GROUPS_H
#define OC_DATA_DOCTOR_GROUPS_H

#include "base/parallel.h"
#include "data/doctor/fingerprint.h"

/* One picture; flat ones, and files that are none, are in no group but their own. */
typedef struct oc_picture {
    oc_fingerprint print;
    uint8_t split;
    bool absent; /* could not be decoded: there is no fingerprint */
} oc_picture;

/* Of each picture the first, by place, of those that it belongs to: itself where it is that or stands alone. */
typedef struct oc_groups {
    uint32_t *same;   /* of the same pixels */
    uint32_t *group;  /* of the same picture: those of the same pixels, and what is alike, directly or through others */
    uint32_t *mirror; /* of both, and of mirror images in other splits */
} oc_groups;

/* Finds the groups of picture[count], count below 2^32, into *out, which the caller frees, also after an error. Depends
 * on the pictures alone. OC_E_MEMORY, OC_E_STOPPED. */
oc_status oc_groups_find(oc_groups *out, const oc_picture *picture, size_t count, oc_team *team,
                         const oc_progress *progress, oc_error *err);
void oc_groups_free(oc_groups *groups);

#endif
