/* The rules of findings that look at one image, or at the images of one picture. */
#include <stdio.h>

#include "data/doctor/findings.h"

#define LONG_RATIO 4      /* longer to shorter side */
#define APART_RATIO 25    /* of areas: five times a side */
#define GREY_ROWS_LEAST 8 /* a JPEG's block */
#define GREY_SHARE 16     /* at least one row of so many */
#define RARE_SHARE 20     /* at most one image of so many */

/* ---- One image ---- */

bool oc_rule_broken(const oc_examination *e, size_t i, char why[OC_WHY_SIZE]) {
    const char *reason = e->facts[i].reason;
    if (!e->picture[i].absent || e->facts[i].no_image) return false;
    snprintf(why, OC_WHY_SIZE, "%s", reason ? reason : "no memory to say why");
    return true;
}

bool oc_rule_no_image(const oc_examination *e, size_t i, char why[OC_WHY_SIZE]) {
    const char *reason = e->facts[i].reason;
    if (!e->facts[i].no_image) return false;
    snprintf(why, OC_WHY_SIZE, "%s", reason ? reason : "no memory to say why");
    return true;
}

bool oc_rule_grey_below(const oc_examination *e, size_t i, char why[OC_WHY_SIZE]) {
    const int32_t rows = e->facts[i].grey_rows, height = e->facts[i].height;
    if (e->picture[i].absent || e->picture[i].print.flat || rows < GREY_ROWS_LEAST || rows * GREY_SHARE < height)
        return false;
    snprintf(why, OC_WHY_SIZE, "the lower %d of %d rows", (int)rows, (int)height);
    return true;
}

bool oc_rule_flat(const oc_examination *e, size_t i, char why[OC_WHY_SIZE]) {
    (void)why;
    return !e->picture[i].absent && e->picture[i].print.flat;
}

/* Puts the size into words for those that are found by it. */
static bool by_size(bool found, const oc_facts *facts, char why[OC_WHY_SIZE]) {
    if (found) snprintf(why, OC_WHY_SIZE, "%dx%d", (int)facts->width, (int)facts->height);
    return found;
}

bool oc_rule_long(const oc_examination *e, size_t i, char why[OC_WHY_SIZE]) {
    const oc_facts *f = &e->facts[i];
    const int64_t w = f->width, h = f->height;
    return by_size(!e->picture[i].absent && (w >= LONG_RATIO * h || h >= LONG_RATIO * w), f, why);
}

bool oc_rule_small(const oc_examination *e, size_t i, char why[OC_WHY_SIZE]) {
    const oc_facts *f = &e->facts[i];
    return by_size(!e->picture[i].absent && (f->width < e->size || f->height < e->size), f, why);
}

bool oc_rule_size(const oc_examination *e, size_t i, char why[OC_WHY_SIZE]) {
    const oc_facts *f = &e->facts[i];
    const int64_t area = (int64_t)f->width * f->height;
    const bool apart = area >= APART_RATIO * e->usual_area || area * APART_RATIO <= e->usual_area;
    return by_size(!e->picture[i].absent && apart, f, why);
}

bool oc_rule_ending(const oc_examination *e, size_t i, char why[OC_WHY_SIZE]) {
    if (!e->facts[i].format) return false;
    snprintf(why, OC_WHY_SIZE, "%s", e->facts[i].format);
    return true;
}

bool oc_rule_colour(const oc_examination *e, size_t i, char why[OC_WHY_SIZE]) {
    const oc_color color = e->facts[i].color;
    int64_t decoded = 0;
    for (int c = 0; c < OC_COLOR_COUNT; c++) decoded += e->of_color[c];
    if (e->picture[i].absent || (color != OC_COLOR_CMYK && e->of_color[color] * RARE_SHARE > decoded)) return false;
    snprintf(why, OC_WHY_SIZE, "%s", oc_color_name(color));
    return true;
}

/* ---- The images of one picture ---- */

static int split_of(const oc_examination *e, uint32_t i) {
    return e->picture[i].split;
}

static int class_of(const oc_examination *e, uint32_t i) {
    return oc_examination_sample(e, i)->label;
}

typedef int (*property)(const oc_examination *e, uint32_t i);

/* Whether two members differ in a property, of which a negative value says nothing; with `exact` two of the same
 * pixels. It suffices to compare each with the first: of the same pixels, which is a member, too, or of all. The first
 * one says something if any does, as images without a class are those of the last split. */
static bool differs(const oc_examination *e, const uint32_t *member, size_t count, property of, bool exact) {
    for (size_t k = 1; k < count; k++) {
        const int first = of(e, exact ? e->groups.same[member[k]] : member[0]), own = of(e, member[k]);
        if (first >= 0 && own >= 0 && own != first) return true;
    }
    return false;
}

bool oc_rule_leak(const oc_examination *e, const uint32_t *member, size_t count) {
    return differs(e, member, count, split_of, true);
}

bool oc_rule_near_leak(const oc_examination *e, const uint32_t *member, size_t count) {
    return differs(e, member, count, split_of, false) && !oc_rule_leak(e, member, count);
}

bool oc_rule_two_classes(const oc_examination *e, const uint32_t *member, size_t count) {
    return differs(e, member, count, class_of, true);
}

bool oc_rule_near_two_classes(const oc_examination *e, const uint32_t *member, size_t count) {
    return differs(e, member, count, class_of, false) && !oc_rule_two_classes(e, member, count);
}

/* Copies that are nothing worse. */
static bool is_within_one(const oc_examination *e, const uint32_t *member, size_t count) {
    return !differs(e, member, count, split_of, false) && !differs(e, member, count, class_of, false);
}

static bool has_same_pixels(const oc_examination *e, const uint32_t *member, size_t count) {
    for (size_t k = 0; k < count; k++)
        if (e->groups.same[member[k]] != member[k]) return true;
    return false;
}

bool oc_rule_copies(const oc_examination *e, const uint32_t *member, size_t count) {
    return is_within_one(e, member, count) && has_same_pixels(e, member, count);
}

bool oc_rule_near_copies(const oc_examination *e, const uint32_t *member, size_t count) {
    return is_within_one(e, member, count) && !has_same_pixels(e, member, count);
}

/* More than copies. */
bool oc_rule_mirrored(const oc_examination *e, const uint32_t *member, size_t count) {
    for (size_t k = 1; k < count; k++)
        if (e->groups.group[member[k]] != e->groups.group[member[0]]) return true;
    return false;
}
