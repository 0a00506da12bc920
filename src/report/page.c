/* Filling pages. */
#define _GNU_SOURCE 1
#include "report/page.h"

#include <string.h>

#include "base/error.h"

/* JSON within <script>: a "</script" or "<!--" in a text of it would be markup. */
static oc_status append_json(oc_text *out, const char *json, oc_error *err) {
    oc_status status = OC_OK;
    for (const char *next; (next = strchr(json, '<')); json = next + 1) {
        OC_TRY(oc_text_append(out, json, (size_t)(next - json), err));
        OC_TRY(oc_text_append(out, "\\u003c", 6, err));
    }
    OC_TRY(oc_text_append(out, json, strlen(json), err));
cleanup:
    return status;
}

oc_status oc_page_fill(oc_text *out, const unsigned char *page, size_t size, const char *json, bool live,
                       oc_error *err) {
    static const char data[] = "{{data}}", connect[] = "{{connect}}";
    const char *at = (const char *)page, *const end = at + size;
    oc_status status = OC_OK;
    for (;;) {
        const char *next_data = memmem(at, (size_t)(end - at), data, sizeof data - 1);
        const char *next_connect = memmem(at, (size_t)(end - at), connect, sizeof connect - 1);
        const bool is_data = next_data && (!next_connect || next_data < next_connect);
        const char *next = is_data ? next_data : next_connect;
        if (!next) break;
        OC_TRY(oc_text_append(out, at, (size_t)(next - at), err));
        if (is_data)
            OC_TRY(append_json(out, json, err));
        else
            OC_TRY(oc_text_printf(out, err, "%s", live ? "'self'" : "'none'"));
        at = next + (is_data ? sizeof data : sizeof connect) - 1;
    }
    OC_TRY(oc_text_append(out, at, (size_t)(end - at), err));
cleanup:
    return status;
}
