/* Precisions by name. */
#include "models/precision.h"

#include <string.h>

#include "base/error.h"
#include "base/text.h"

#define AUTO "auto"
#define PRECISIONS 2

/* In the order of oc_precision. */
static const char *const names[PRECISIONS] = {"fp32", "bf16"};

oc_status oc_precision_find(oc_precision *out, const char *name, const char *where, oc_error *err) {
    *out = OC_PRECISION_FP32;
    if (!name || strcmp(name, AUTO) == 0) return OC_OK;
    for (int i = 0; i < PRECISIONS; i++) {
        if (strcmp(names[i], name) != 0) continue;
        *out = (oc_precision)i;
        return OC_OK;
    }
    const char *const valid[] = {AUTO, names[0], names[1]};
    const char *nearest = oc_text_nearest(name, valid, PRECISIONS + 1);
    return oc_fail(err, OC_E_USAGE, where, "unknown precision \"%.100s\": the precisions are %s, %s, %s%s%s%s", name,
                   AUTO, names[0], names[1], nearest ? "; did you mean " : "", nearest ? nearest : "",
                   nearest ? "?" : "");
}

const char *oc_precision_name(oc_precision precision) {
    return names[precision];
}
