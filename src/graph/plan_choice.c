/* The choices of an earlier plan, read back from its text (plan_report.c). */
#include <stdio.h>
#include <string.h>

#include "graph/plan_internal.h"

/* Lines are "<layer>: <kind>: <what>: <algorithm>", and then, after " (" or ",", details. */
const char *oc_plan_choice(const char *plan, const char *layer, oc_step_kind kind, char *text, size_t size) {
    char begin[512];
    const int length = snprintf(begin, sizeof begin, "%s: %s: ", layer, oc_step_kind_text(kind));
    if (!plan || length < 0 || (size_t)length >= sizeof begin) return NULL;
    for (const char *line = plan, *end; *line; line = *end ? end + 1 : end) {
        end = line + strcspn(line, "\n");
        if (strncmp(line, begin, (size_t)length) != 0) continue;
        const char *what = line + length, *name = strstr(what, ": ");
        if (!name || name >= end) continue;
        name += 2;
        size_t used = strcspn(name, ",\n");
        const char *details = strstr(name, " (");
        if (details && details < name + used) used = (size_t)(details - name);
        if (used >= size) return NULL;
        memcpy(text, name, used);
        text[used] = '\0';
        return text;
    }
    return NULL;
}
