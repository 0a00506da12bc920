/* Names' endings and contents' marks. */
#define _GNU_SOURCE 1
#include "data/kind.h"

#include <string.h>
#include <strings.h>

#include "data/decode.h"

/* Whether the name ends with one of the endings, of which the last is NULL. */
static bool has_ending(const char *name, const char *const *ending) {
    const char *dot = strrchr(name, '.');
    while (dot && *ending && strcasecmp(dot, *ending) != 0) ending++;
    return dot && *ending;
}

oc_kind oc_kind_of_name(const char *name) {
    static const char *const endings[] = {".jpeg", ".jpg", ".jpe", ".jfif", ".png", NULL};
    return has_ending(name, endings) ? OC_KIND_IMAGE : OC_KIND_UNSAID;
}

oc_kind oc_kind_of_content(const char *name, const void *data, size_t size) {
    static const char *const others[] = {".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif",
                                         ".jp2",  ".jxl", ".ppm", ".pgm", ".pbm",  ".pnm",  ".tga",  ".ico",
                                         ".psd",  ".svg", ".eps", ".dng", ".cr2",  ".nef",  ".arw",  NULL};
    if (oc_image_content(data, size)) return OC_KIND_IMAGE;
    return has_ending(name, others) || oc_image_content_other(data, size) ? OC_KIND_OTHER_IMAGE : OC_KIND_NO_IMAGE;
}
