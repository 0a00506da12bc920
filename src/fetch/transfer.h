/* One connection after another that brings what is missing of a file: the only part that knows libcurl. */
#ifndef OC_FETCH_TRANSFER_H
#define OC_FETCH_TRANSFER_H

#include "fetch/part.h"
#include "ocelli/fetch.h"

typedef struct oc_transfer oc_transfer;

/* How a try ended that was no error. */
typedef struct oc_transfer_end {
    bool whole;       /* the part is as long as the file */
    char reason[512]; /* else why it is not, and a further try may help: some words */
    double wait;      /* seconds that the server asks to be left alone first; 0: it does not say */
} oc_transfer_end;

/* All are borrowed and outlive it; of the options `url` and `stall_seconds` are set. OC_E_USAGE for an address that is
 * none of http or https; OC_E_MEMORY. */
oc_status oc_transfer_create(oc_transfer **out, const oc_archive *archive, oc_part *part,
                             const oc_fetch_options *options, oc_error *err);
/* Asks for the file, or the rest of it, and appends what comes to the part. Errors: as oc_fetch. */
oc_status oc_transfer_try(oc_transfer *transfer, oc_transfer_end *end, oc_error *err);
void oc_transfer_destroy(oc_transfer **transfer);

/* Where the first byte of a Content-Range (RFC 9110, section 14.4) stands, and how long the whole is, −1 where it is
 * not known ("*"). False: the text is none. */
bool oc_content_range(const char *text, int64_t *first, int64_t *whole);

#endif
