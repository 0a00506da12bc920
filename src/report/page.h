/* The page of a report, and filling pages with their numbers. */
#ifndef OC_REPORT_PAGE_H
#define OC_REPORT_PAGE_H

#include "base/text.h"

/* Put together by cmake/pages.cmake: HTML with {{connect}} and {{data}}. */
extern const unsigned char oc_page_report[];
extern const size_t oc_page_report_size;

/* Appends a page: `json` where it says {{data}}, so that nothing in it can end the script that holds it, and what it
 * may connect to where it says {{connect}}: where it came from if `live`, else nothing. OC_E_MEMORY. */
oc_status oc_page_fill(oc_text *out, const unsigned char *page, size_t size, const char *json, bool live,
                       oc_error *err);

#endif
