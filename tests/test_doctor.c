/* What the doctor finds in small data sets that are made ill on purpose, and that it finds nothing in a healthy one. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/random.h"
#include "data/doctor/groups.h"
#include "data/doctor/near.h"
#include "data/image/encode.h"
#include "ocelli/data.h"
#include "support/bytes.h"
#include "support/images.h"
#include "support/set.h"

#define SEED 20
#define PER_CLASS 20 /* as many as are not few */
#define VAL 3

/* ---- Pictures ---- */

/* How a picture is taken: {.seed, .size} alone is the plain one. */
typedef struct shot {
    int seed;
    int width, height; /* 0: 64, and as wide */
    double crop;       /* of each side, at its left and top */
    double gain;       /* 0: 1 */
    int quality;       /* 0: 95 */
    bool mirrored;
    int grey_rows; /* at the lower end, of 128 */
    double detail; /* 0: waves of every length; else a sky over a meadow, and the waves on it so strong */
} shot;

#define WAVES 10

/* Of random direction, length and colour, over [0, 1) of both axes. */
typedef struct wave {
    double across, down, phase, tint;
} wave;

static void waves_draw(wave waves[WAVES], int seed, double least) {
    oc_random random;
    oc_random_init(&random, SEED, OC_RANDOM_TEST, 0, (uint64_t)seed);
    for (int k = 0; k < WAVES; k++)
        waves[k] = (wave){oc_random_range(&random, -6, 6), oc_random_range(&random, least, 6),
                          oc_random_range(&random, 0, 6.28), oc_random_range(&random, 0, 1)};
}

static double waves_at(const wave waves[WAVES], double x, double y, int c) {
    double sum = 0;
    for (const wave *w = waves; w < waves + WAVES; w++)
        sum += sin(6.28 * (w->across * x + w->down * y) + w->phase + w->tint * c);
    return sum / WAVES;
}

static uint8_t byte_of(double value) {
    return value < 0 ? 0 : value > 255 ? 255 : (uint8_t)lround(value);
}

static uint8_t *pixels_of(const shot *s, int width, int height) {
    uint8_t *pixels = malloc((size_t)width * (size_t)height * 3), *p = pixels;
    wave waves[WAVES];
    assert_non_null(pixels);
    waves_draw(waves, s->seed, s->detail > 0 ? 4 : 0);
    for (int row = 0; row < height; row++)
        for (int column = 0; column < width; column++)
            for (int c = 0; c < 3; c++) {
                double x = (column + 0.5) / width, y = (row + 0.5) / height;
                if (s->mirrored) x = 1 - x;
                x = s->crop + x * (1 - s->crop);
                y = s->crop + y * (1 - s->crop);
                const double ground = s->detail > 0 ? 110 - 70 * tanh(8 * (y - 0.5)) : 128;
                const double scene = ground + 255 * (s->detail > 0 ? s->detail : 1) * waves_at(waves, x, y, c);
                *p++ = row >= height - s->grey_rows ? 128 : byte_of(scene * (s->gain > 0 ? s->gain : 1));
            }
    return pixels;
}

static void write_pixels(test_set *f, const char *path, const uint8_t *pixels, int width, int height, int quality) {
    unsigned char *bytes = NULL;
    size_t size;
    assert_int_equal(oc_jpeg_encode(&bytes, &size, pixels, width, height, false, quality, NULL), OC_OK);
    test_jpeg_write(test_set_path(f, path), 1, 1, 0, TEST_JPEG_RGB); /* makes the folders */
    test_bytes_write(f->path, bytes, size);
    free(bytes);
}

static void write_shot(test_set *f, const char *path, shot s) {
    const int width = s.width ? s.width : 64, height = s.height ? s.height : width;
    uint8_t *pixels = pixels_of(&s, width, height);
    write_pixels(f, path, pixels, width, height, s.quality ? s.quality : 95);
    free(pixels);
}

/* Classes a and b of different pictures, and nothing wrong with them. */
static void write_healthy(test_set *f) {
    char path[64];
    for (int c = 0; c < 2; c++)
        for (int i = 0; i < PER_CLASS + VAL; i++) {
            const bool train = i < PER_CLASS;
            snprintf(path, sizeof path, "%s/%c/%02d.jpg", train ? "train" : "val", 'a' + c, i);
            write_shot(f, path, (shot){.seed = 100 * c + i});
        }
}

/* ---- Reports ---- */

static void on_log(void *user, oc_log_level level, const char *line) {
    test_set_on_log(user, level, line);
}

/* The report's text, freed with oc_data_free. */
static char *report_text(test_set *f, const char *path, int threads) {
    char *text = NULL;
    oc_error error = {0};
    test_set_opens_at(f, path, NULL);
    const oc_data_options options = {.threads = threads, .log = {on_log, f}};
    if (oc_data_doctor(&text, f->dataset, &options, &error) != OC_OK) fail_msg("%s: %s", error.where, error.message);
    return text;
}

static json_t *report(test_set *f) {
    char *text = report_text(f, f->root, 2);
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    oc_data_free(text);
    assert_non_null(json);
    return json;
}

static json_t *at(const json_t *object, const char *key) {
    json_t *value = json_object_get(object, key);
    if (!value) fail_msg("no key %s", key);
    return value;
}

static int count_at(const json_t *object, const char *key) {
    return (int)json_integer_value(at(object, key));
}

/* NULL: nothing of the kind was found. */
static json_t *finding(const json_t *json, const char *kind) {
    size_t i;
    json_t *one;
    json_array_foreach(at(json, "findings"), i, one) {
        if (strcmp(json_string_value(at(one, "kind")), kind) == 0) return one;
    }
    return NULL;
}

/* The kinds that were found and how many of each are just these: "leak 1, copies 2". */
static void found(const json_t *json, const char *expected) {
    char text[512] = "";
    int sums[3] = {0};
    size_t i;
    json_t *one;
    json_array_foreach(at(json, "findings"), i, one) {
        const size_t used = strlen(text);
        const char *severity = json_string_value(at(one, "severity"));
        snprintf(text + used, sizeof text - used, "%s%s %d", i > 0 ? ", " : "", json_string_value(at(one, "kind")),
                 count_at(one, "count"));
        sums[*severity == 's' ? 0 : *severity == 'w' ? 1 : 2] += count_at(one, "count");
        assert_true(strlen(json_string_value(at(one, "title"))) > 0);
        assert_true(strlen(json_string_value(at(one, "advice"))) > 0);
        assert_true(json_array_size(at(one, "items")) > 0);
    }
    assert_string_equal(text, expected);
    assert_int_equal(count_at(json, "serious"), sums[0]);
    assert_int_equal(count_at(json, "warning"), sums[1]);
    assert_int_equal(count_at(json, "note"), sums[2]);
}

/* The items of a kind are just these: "path path: why; path …", or class codes instead of paths. */
static void holds(const json_t *json, const char *kind, const char *expected) {
    char text[2048] = "";
    size_t i, k;
    json_t *item, *file;
    const json_t *of = finding(json, kind);
    if (!of) fail_msg("no %s", kind);
    json_array_foreach(at(of, "items"), i, item) {
        const json_t *files = json_object_get(item, "files");
        const char *why = json_string_value(at(item, "why"));
        strcat(text, i > 0 ? "; " : "");
        json_array_foreach(files ? files : at(item, "classes"), k, file) {
            strcat(text, k > 0 ? " " : "");
            strcat(text, json_string_value(files ? at(file, "path") : file));
        }
        if (*why) strcat(strcat(text, ": "), why);
    }
    assert_string_equal(text, expected);
}

/* ---- Tests ---- */

static void test_healthy(void **state) {
    test_set *f = *state;
    write_healthy(f);
    json_t *json = report(f);
    found(json, "");
    assert_string_equal(json_string_value(at(json, "path")), f->root);
    assert_int_equal(count_at(json, "size"), 64);
    assert_int_equal(count_at(json, "classes"), 2);
    assert_int_equal(count_at(at(json, "images"), "train"), 2 * PER_CLASS);
    assert_int_equal(count_at(at(json, "images"), "val"), 2 * VAL);
    const json_t *balance = at(at(json, "balance"), "train");
    assert_int_equal(count_at(at(balance, "least"), "images"), PER_CLASS);
    assert_int_equal(count_at(at(balance, "most"), "images"), PER_CLASS);
    assert_float_equal(json_real_value(at(balance, "effective_classes")), 2, 1e-9);
    assert_string_equal(f->log, "");
    json_decref(json);
}

static void test_files(void **state) {
    test_set *f = *state;
    unsigned char *bytes;
    size_t size;
    uint8_t flat[64 * 64 * 3];
    write_healthy(f);
    bytes = test_jpeg_encode(64, 64, 7, &(test_jpeg_options){0}, &size);
    test_bytes_write(test_set_path(f, "train/a/cut.jpg"), bytes, size * 2 / 3);
    test_text_write(test_set_path(f, "train/a/page.jpg"), "<html>not found</html>");
    test_text_write(test_set_path(f, "train/b/empty.jpg"), "");
    test_text_write(test_set_path(f, "train/b/notes.txt"), "to do");
    test_text_write(test_set_path(f, "train/b/one.avif"), "");
    test_bytes_write(test_set_path(f, "val/a/really.png"), bytes, size);
    free(bytes);
    test_jpeg_write(test_set_path(f, "train/a/print.jpg"), 64, 64, 9, TEST_JPEG_CMYK);
    write_shot(f, "train/b/grey.jpg", (shot){.seed = 500, .grey_rows = 32});
    write_shot(f, "train/b/long.jpg", (shot){.seed = 501, .width = 260, .height = 65});
    write_shot(f, "train/b/small.jpg", (shot){.seed = 502, .width = 60, .height = 70});
    write_shot(f, "val/b/large.jpg", (shot){.seed = 503, .width = 320});
    for (int i = 0; i < 3; i++) {
        char path[32];
        memset(flat, i < 2 ? 200 : 201, sizeof flat);
        snprintf(path, sizeof path, "%s/a/flat%d.jpg", i == 1 ? "val" : "train", i);
        write_pixels(f, path, flat, 64, 64, 95);
    }
    json_t *json = report(f);
    found(json, "broken 2, no-image 1, grey-below 1, flat 3, not-read 1, long 1, small 1, size 1, ending 1, colour 1, "
                "beside 1");
    holds(json, "broken", "train/a/cut.jpg: truncated JPEG; train/b/empty.jpg: empty file");
    holds(json, "no-image", "train/a/page.jpg: not an image but a web page");
    holds(json, "grey-below", "train/b/grey.jpg: the lower 31 of 64 rows");
    holds(json, "flat", "train/a/flat0.jpg; train/a/flat2.jpg; val/a/flat1.jpg");
    holds(json, "not-read", "train/b/one.avif: an image in a format that is not read");
    holds(json, "long", "train/b/long.jpg: 260x65");
    holds(json, "small", "train/b/small.jpg: 60x70");
    holds(json, "size", "val/b/large.jpg: 320x320");
    holds(json, "ending", "val/a/really.png: JPEG");
    holds(json, "colour", "train/a/print.jpg: cmyk");
    holds(json, "beside", "train/b/notes.txt: no image");
    const json_t *file = json_array_get(at(json_array_get(at(finding(json, "size"), "items"), 0), "files"), 0);
    assert_string_equal(json_string_value(at(file, "split")), "val");
    assert_string_equal(json_string_value(at(file, "class")), "b");
    json_decref(json);
}

/* A few grey images among many colourful ones are told, many are not. */
static void test_rare_colours(void **state) {
    test_set *f = *state;
    write_healthy(f);
    test_jpeg_write(test_set_path(f, "val/a/grey.jpg"), 64, 64, 9, TEST_JPEG_GREY);
    json_t *json = report(f);
    holds(json, "colour", "val/a/grey.jpg: grey");
    json_decref(json);
    for (int i = 0; i < 3; i++) {
        char path[32];
        snprintf(path, sizeof path, "val/b/grey%d.jpg", i);
        test_png_write(test_set_path(f, path), 64, 64, 40 * i, TEST_PNG_GREY);
    }
    json = report(f);
    assert_null(finding(json, "colour"));
    json_decref(json);
}

/* Equal pixels in files of other names and forms. */
static void test_same_pixels(void **state) {
    test_set *f = *state;
    write_healthy(f);
    write_shot(f, "train/a/copy.jpg", (shot){.seed = 0});   /* train/a/00 */
    write_shot(f, "val/a/leak.jpg", (shot){.seed = 5});     /* train/a/05 */
    write_shot(f, "train/b/other.jpg", (shot){.seed = 7});  /* train/a/07 */
    write_shot(f, "val/b/both.jpg", (shot){.seed = 9});     /* train/a/09 */
    write_shot(f, "val/b/within.jpg", (shot){.seed = 120}); /* val/b/20 */
    write_shot(f, "val/b/within2.jpg", (shot){.seed = 120});
    json_t *json = report(f);
    found(json, "leak 2, two-classes 2, copies 2");
    holds(json, "leak", "train/a/05.jpg val/a/leak.jpg; train/a/09.jpg val/b/both.jpg");
    holds(json, "two-classes", "train/a/07.jpg train/b/other.jpg; train/a/09.jpg val/b/both.jpg");
    holds(json, "copies", "train/a/00.jpg train/a/copy.jpg; val/b/20.jpg val/b/within.jpg val/b/within2.jpg");
    assert_int_equal(count_at(at(finding(json, "leak"), "images"), "train"), 2);
    assert_int_equal(count_at(at(finding(json, "leak"), "images"), "val"), 2);
    json_decref(json);
}

/* Copies that are no longer the same. */
static void test_near(void **state) {
    test_set *f = *state;
    write_healthy(f);
    write_shot(f, "val/a/saved.jpg", (shot){.seed = 1, .quality = 50});
    write_shot(f, "val/a/halved.jpg", (shot){.seed = 2, .width = 32});
    write_shot(f, "val/a/cropped.jpg", (shot){.seed = 3, .crop = 0.04});
    write_shot(f, "val/a/bright.jpg", (shot){.seed = 4, .gain = 1.1});
    write_shot(f, "val/a/mirrored.jpg", (shot){.seed = 5, .mirrored = true, .quality = 70});
    write_shot(f, "train/b/label.jpg", (shot){.seed = 6, .width = 96});
    write_shot(f, "train/a/twin.jpg", (shot){.seed = 7, .width = 80, .quality = 80});
    write_shot(f, "train/a/turned.jpg", (shot){.seed = 8, .mirrored = true}); /* within a split: no matter */
    json_t *json = report(f);
    found(json, "near-leak 4, near-two-classes 1, near-copies 1, mirrored 1, small 1");
    holds(json, "near-leak",
          "train/a/01.jpg val/a/saved.jpg; train/a/02.jpg val/a/halved.jpg; train/a/03.jpg val/a/cropped.jpg; "
          "train/a/04.jpg val/a/bright.jpg");
    holds(json, "near-two-classes", "train/a/06.jpg train/b/label.jpg");
    holds(json, "near-copies", "train/a/07.jpg train/a/twin.jpg");
    holds(json, "mirrored", "train/a/05.jpg val/a/mirrored.jpg");
    json_decref(json);
}

/* A group of copies of both kinds is told once, as the gravest of them; its files say which show the same. */
static void test_mixed_group(void **state) {
    test_set *f = *state;
    write_healthy(f);
    write_shot(f, "val/a/near.jpg", (shot){.seed = 1, .quality = 60});
    write_shot(f, "val/a/same.jpg", (shot){.seed = 1});
    write_shot(f, "val/a/near2.jpg", (shot){.seed = 1, .quality = 60});
    json_t *json = report(f);
    found(json, "leak 1");
    holds(json, "leak", "train/a/01.jpg val/a/near.jpg val/a/near2.jpg val/a/same.jpg");
    const json_t *files = at(json_array_get(at(finding(json, "leak"), "items"), 0), "files");
    static const int pictures[] = {0, 1, 1, 0};
    for (size_t i = 0; i < 4; i++) assert_int_equal(count_at(json_array_get(files, i), "picture"), pictures[i]);
    json_decref(json);
}

/* The same sky over the same meadow, with other things on it. */
static void test_similar_is_not_the_same(void **state) {
    test_set *f = *state;
    write_healthy(f);
    for (int i = 0; i < 6; i++) {
        char path[32];
        snprintf(path, sizeof path, "%s/a/meadow%d.jpg", i % 2 ? "train" : "val", i);
        write_shot(f, path, (shot){.seed = 600 + i, .detail = 0.12});
    }
    json_t *json = report(f);
    found(json, "");
    json_decref(json);
    write_shot(f, "val/b/again.jpg", (shot){.seed = 601, .detail = 0.12, .quality = 60});
    json = report(f);
    found(json, "near-leak 1, near-two-classes 1");
    json_decref(json);
}

static void test_classes(void **state) {
    test_set *f = *state;
    static const struct {
        const char *name;
        int train, val;
    } classes[] = {{"Cat", 20, 1}, {"cat ", 20, 1}, {"c-at", 60, 1}, {"1-1", 20, 0}, {"11", 19, 1}, {"dog", 61, 2}};
    int seed = 0;
    for (size_t c = 0; c < 6; c++)
        for (int i = 0; i < classes[c].train + classes[c].val; i++) {
            char path[64];
            snprintf(path, sizeof path, "%s/%s/%02d.jpg", i < classes[c].train ? "train" : "val", classes[c].name, i);
            write_shot(f, path, (shot){.seed = seed++, .width = 64});
        }
    json_t *json = report(f);
    found(json, "class-names 1, class-missing 1, class-few 1, imbalance 1");
    holds(json, "class-names", "Cat c-at cat ");
    holds(json, "class-missing", "1-1");
    holds(json, "class-few", "11: 19 images");
    holds(json, "imbalance", "11 dog: 19 and 61 images; as even as 5.1 classes of equal numbers");
    assert_string_equal(json_string_value(at(json_array_get(at(finding(json, "class-missing"), "items"), 0), "split")),
                        "val");
    json_decref(json);
}

/* Threads and the form of the data set change nothing. */
static void test_same_report(void **state) {
    test_set *f = *state;
    char archive[320];
    write_healthy(f);
    write_shot(f, "val/a/saved.jpg", (shot){.seed = 1, .quality = 50});
    write_shot(f, "val/a/same.jpg", (shot){.seed = 2});
    write_shot(f, "train/a/same.jpg", (shot){.seed = 2});
    test_text_write(test_set_path(f, "train/a/page.jpg"), "none");
    char *one = report_text(f, f->root, 1), *three = report_text(f, f->root, 3);
    assert_string_equal(one, three);
    snprintf(archive, sizeof archive, "%s/set.zip", f->folder);
    test_zip_create(archive, f->root, "", true);
    char *zipped = report_text(f, archive, 1);
    assert_string_equal(strstr(one, "\"size\""), strstr(zipped, "\"size\""));
    json_t *json = json_loads(zipped, 0, NULL);
    found(json, "no-image 1, leak 1, near-leak 1");
    json_decref(json);
    oc_data_free(one);
    oc_data_free(three);
    oc_data_free(zipped);
}

static bool stop(void *user, const char *what, int64_t done, int64_t total) {
    (void)done;
    (void)total;
    return strcmp(what, user) != 0;
}

static void test_stops(void **state) {
    test_set *f = *state;
    static char *const tasks[] = {"look at val", "compare pictures", "compare mirror images"};
    write_healthy(f);
    test_set_opens_at(f, f->root, NULL);
    for (size_t i = 0; i < 3; i++) {
        char *text = NULL;
        assert_int_equal(oc_data_doctor(&text, f->dataset, &(oc_data_options){.progress = {stop, tasks[i]}}, NULL),
                         OC_E_STOPPED);
        assert_null(text);
    }
}

/* ---- The parts ---- */

#define HASHES 3000

typedef struct pairs {
    const uint64_t *hash;
    uint64_t flip;
    uint8_t (*seen)[HASHES];
    size_t count;
} pairs;

static int bits(uint64_t value) {
    int count = 0;
    for (; value; value >>= 1) count += (int)(value & 1);
    return count;
}

static void on_pair(void *user, uint32_t a, uint32_t b) {
    pairs *p = user;
    assert_true(a < b);
    assert_true(bits(p->hash[a] ^ p->hash[b] ^ p->flip) <= OC_NEAR_RADIUS);
    assert_int_equal(p->seen[a][b]++, 0);
    p->count++;
}

/* Every pair within the radius and no other, each once: random hashes, and some at every distance from one of them. */
static void test_search(void **state) {
    uint64_t *hash = malloc(HASHES * sizeof *hash);
    pairs p = {.hash = hash, .seen = malloc(HASHES * sizeof *p.seen)};
    oc_random random;
    (void)state;
    oc_random_init(&random, SEED, OC_RANDOM_TEST, 1, 0);
    for (int i = 0; i < HASHES; i++) {
        hash[i] = (uint64_t)oc_random_u32(&random) << 32 | oc_random_u32(&random);
        const int turned = i % 40; /* bits that differ from an earlier one's, at places that may repeat */
        if (i < 100 || turned > 24) continue;
        hash[i] = hash[oc_random_below(&random, 100)];
        for (int k = 0; k < turned; k++) hash[i] ^= (uint64_t)1 << oc_random_below(&random, 64);
    }
    for (int turn = 0; turn < 2; turn++) {
        size_t expected = 0;
        oc_near *near = NULL;
        p.flip = turn ? oc_fingerprint_mirror_mask() : 0;
        p.count = 0;
        for (int a = 0; turn && a < HASHES; a += 2) hash[a] ^= p.flip;
        memset(p.seen, 0, HASHES * sizeof *p.seen);
        assert_int_equal(oc_near_create(&near, hash, HASHES, NULL), OC_OK);
        for (int task = 0; task < oc_near_tasks(near); task++) oc_near_find(near, task, p.flip, on_pair, &p);
        for (int a = 0; a < HASHES; a++)
            for (int b = a + 1; b < HASHES; b++) expected += bits(hash[a] ^ hash[b] ^ p.flip) <= OC_NEAR_RADIUS;
        assert_true(expected > 1000);
        assert_int_equal(p.count, expected);
        oc_near_destroy(&near);
    }
    free(hash);
    free(p.seen);
}

static oc_fingerprint print_of(const uint8_t *pixels, int width, int height) {
    oc_fingerprint print;
    oc_waves waves;
    oc_waves_fill(&waves);
    oc_fingerprint_make(&print, &(oc_pixels){.data = pixels, .width = width, .height = height}, &waves);
    return print;
}

/* The hash of a mirror image is the hash with the mask's bits turned, and the small picture is an average. */
static void test_fingerprint(void **state) {
    (void)state;
    for (int seed = 0; seed < 20; seed++) {
        uint8_t *pixels = pixels_of(&(shot){.seed = seed}, 67, 41);
        uint8_t *mirror = pixels_of(&(shot){.seed = seed, .mirrored = true}, 67, 41);
        const oc_fingerprint a = print_of(pixels, 67, 41), b = print_of(mirror, 67, 41);
        assert_true(bits(a.hash ^ b.hash ^ oc_fingerprint_mirror_mask()) <= 1);
        assert_true(oc_fingerprint_alike(&a, &b, true));
        assert_false(oc_fingerprint_alike(&a, &b, false));
        double mean = 0, small = 0;
        for (int i = 0; i < 67 * 41; i++)
            mean += (77 * pixels[3 * i] + 150 * pixels[3 * i + 1] + 29 * pixels[3 * i + 2]) / 256.0;
        for (int i = 0; i < OC_PRINT_SIDE * OC_PRINT_SIDE; i++) small += a.grey[i];
        assert_float_equal(small / (OC_PRINT_SIDE * OC_PRINT_SIDE), mean / (67 * 41), 0.3);
        free(pixels);
        free(mirror);
    }
}

/* The same forms in other colours are other pictures; of another size they have other pixels. */
static void test_colours_and_sizes(void **state) {
    enum { SIDE = 48 };
    uint8_t *pixels = pixels_of(&(shot){.seed = 3}, SIDE, SIDE);
    (void)state;
    const oc_fingerprint own = print_of(pixels, SIDE, SIDE), wide = print_of(pixels, 2 * SIDE, SIDE / 2);
    assert_true(own.pixels[0] != wide.pixels[0] || own.pixels[1] != wide.pixels[1]);
    for (int i = 0; i < SIDE * SIDE; i++) { /* as grey as before, but green less and red more */
        pixels[3 * i] = (uint8_t)(pixels[3 * i] / 2 + 100);
        pixels[3 * i + 1] = (uint8_t)(pixels[3 * i + 1] / 2);
        pixels[3 * i + 2] = (uint8_t)(pixels[3 * i + 2] / 2);
    }
    const oc_fingerprint red = print_of(pixels, SIDE, SIDE);
    assert_true(bits(own.hash ^ red.hash) <= OC_NEAR_RADIUS);
    assert_false(oc_fingerprint_alike(&own, &red, false));
    free(pixels);
}

/* A drawing at another place is another picture, though a shift would lay one over the other. */
static void test_moved_drawing(void **state) {
    enum { SIDE = 48 };
    oc_fingerprint print[2];
    (void)state;
    for (int i = 0; i < 2; i++) {
        uint8_t pixels[SIDE * SIDE * 3];
        for (int p = 0; p < SIDE * SIDE; p++) {
            const int x = p % SIDE - 20 - 2 * i, y = p / SIDE - 22, square = x * x + y * y;
            memset(pixels + 3 * p, square < 144 && square > 36 ? 30 : 240, 3);
        }
        print[i] = print_of(pixels, SIDE, SIDE);
    }
    assert_false(oc_fingerprint_alike(&print[0], &print[1], false));
    assert_true(oc_fingerprint_alike(&print[0], &print[0], false));
}

/* Frames of a film, each like the next and the last unlike the first, are one group, whoever finds what first. */
static void test_film(void **state) {
    enum { FRAMES = 60 };
    oc_picture *picture = calloc(FRAMES, sizeof *picture);
    (void)state;
    assert_non_null(picture);
    for (int i = 0; i < FRAMES; i++) {
        uint8_t *pixels = pixels_of(&(shot){.seed = 3, .crop = 0.3 * i / FRAMES}, 48, 48);
        picture[i].print = print_of(pixels, 48, 48);
        free(pixels);
    }
    assert_false(oc_fingerprint_alike(&picture[0].print, &picture[FRAMES - 1].print, false));
    for (int threads = 1; threads <= 3; threads++) {
        oc_team *team = NULL;
        oc_groups groups;
        assert_int_equal(oc_team_create(&team, threads, NULL), OC_OK);
        assert_int_equal(oc_groups_find(&groups, picture, FRAMES, team, &(oc_progress){0}, NULL), OC_OK);
        for (int i = 0; i < FRAMES; i++) {
            assert_int_equal(groups.group[i], 0);
            assert_int_equal(groups.same[i], i);
        }
        oc_groups_free(&groups);
        oc_team_destroy(&team);
    }
    free(picture);
}

#define WITH_SET(test) cmocka_unit_test_setup_teardown(test, test_set_setup, test_set_teardown)

int main(void) {
    printf("seed %d\n", SEED);
    const struct CMUnitTest tests[] = {
        WITH_SET(test_healthy),
        WITH_SET(test_files),
        WITH_SET(test_rare_colours),
        WITH_SET(test_same_pixels),
        WITH_SET(test_near),
        WITH_SET(test_mixed_group),
        WITH_SET(test_similar_is_not_the_same),
        WITH_SET(test_classes),
        WITH_SET(test_same_report),
        WITH_SET(test_stops),
        cmocka_unit_test(test_search),
        cmocka_unit_test(test_fingerprint),
        cmocka_unit_test(test_colours_and_sizes),
        cmocka_unit_test(test_moved_drawing),
        cmocka_unit_test(test_film),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
