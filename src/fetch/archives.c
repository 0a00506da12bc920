/* The archives that are known. A new one is a row here. */
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "ocelli/fetch.h"

static const oc_archive archives[] = {
    {
        .name = "tiny-imagenet",
        .about = "Tiny ImageNet: 200 classes, 100,000 training and 10,000 validation images of 64x64",
        .url = "http://cs231n.stanford.edu/tiny-imagenet-200.zip",
        .file = "tiny-imagenet-200.zip",
        .bytes = 248100043,
        .md5 = "90528d7ca1a48142e341f4ef8d21d0de",
    },
};

#define ARCHIVES (sizeof archives / sizeof archives[0])

oc_status oc_archive_find(const oc_archive **out, const char *name, oc_error *err) {
    oc_status status = OC_OK;
    const char *names[ARCHIVES];
    oc_text valid = {0};
    *out = NULL;
    for (size_t i = 0; i < ARCHIVES; i++) {
        names[i] = archives[i].name;
        if (strcmp(name, names[i]) == 0) {
            *out = &archives[i];
            goto cleanup;
        }
        OC_TRY(oc_text_printf(&valid, err, "%s%s (%s)", i ? ", " : "", names[i], archives[i].about));
    }
    const char *nearest = oc_text_nearest(name, names, ARCHIVES);
    status = oc_fail(err, OC_E_USAGE, "data fetch", "no data set is known as '%.100s'%s%s%s; there are %s", name,
                     nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "", valid.data);
cleanup:
    oc_text_free(&valid);
    return status;
}
