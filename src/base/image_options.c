/* Names and comparison of the ways in which images are read. */
#include "base/image_options.h"

#include <string.h>

static const char *const fits[] = {
    [OC_FIT_CROP] = "crop", [OC_FIT_SQUASH] = "squash", [OC_FIT_LETTERBOX] = "letterbox"};

const char *oc_fit_name(oc_fit fit) {
    return fits[fit];
}

bool oc_fit_find(oc_fit *out, const char *name) {
    for (size_t i = 0; i < sizeof fits / sizeof *fits; i++) {
        if (strcmp(fits[i], name) != 0) continue;
        *out = (oc_fit)i;
        return true;
    }
    return false;
}

bool oc_image_options_equal(const oc_image_options *a, const oc_image_options *b) {
    return a->exif == b->exif && a->fit == b->fit && memcmp(a->background, b->background, sizeof a->background) == 0;
}
