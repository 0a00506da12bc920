/* The packed cache: what it holds, that it is made once, again when it must be, never half, and how bad images are
 * told. */
#define _GNU_SOURCE 1
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/lock.h"
#include "base/memory.h"
#include "data/image/decode.h"
#include "data/pack_format.h"
#include "support/bytes.h"
#include "support/images.h"
#include "support/set.h"
#include "support/temporary.h"

typedef struct fixture {
    test_set set;
    char cache[400];
    oc_pack *pack;
    oc_team *team;
    int stop_after; /* progress reports until the answer is no; −1: never */
    int64_t done, total;
} fixture;

static int setup(void **state) {
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    test_set_begin(&f->set);
    snprintf(f->set.root, sizeof f->set.root, "%s/my set", f->set.folder);
    snprintf(f->cache, sizeof f->cache, "%s/cache/ocelli", f->set.folder);
    assert_int_equal(oc_team_create(&f->team, 2, NULL), OC_OK);
    f->stop_after = -1;
    *state = f;
    return 0;
}

static int teardown(void **state) {
    fixture *f = *state;
    oc_pack_destroy(&f->pack);
    oc_team_destroy(&f->team);
    test_set_end(&f->set);
    free(f);
    return 0;
}

static bool on_progress(void *user, const char *what, int64_t done, int64_t total) {
    fixture *f = user;
    assert_true(strncmp(what, "decode ", 7) == 0 || strcmp(what, "wait for the cache") == 0);
    assert_true(done >= f->done || done == 0);
    f->done = done;
    f->total = total;
    return f->stop_after < 0 || f->stop_after-- > 0;
}

static oc_status open_pack(fixture *f, const char *path, const char *split, int64_t size, bool skip_bad,
                           oc_error *err) {
    oc_pack_destroy(&f->pack);
    oc_dataset_destroy(&f->set.dataset);
    f->set.log[0] = '\0';
    assert_int_equal(oc_dataset_open(&f->set.dataset, path, NULL, NULL), OC_OK);
    return oc_pack_open(&f->pack, f->set.dataset, split,
                        &(oc_pack_options){.size = size,
                                           .cache = f->cache,
                                           .skip_bad = skip_bad,
                                           .team = f->team,
                                           .progress = {on_progress, f},
                                           .log = {test_set_on_log, &f->set}},
                        err);
}

static void must_open(fixture *f, const char *path, const char *split, int64_t size, bool skip_bad) {
    oc_error error = {0};
    if (open_pack(f, path, split, size, skip_bad, &error) != OC_OK) fail_msg("%s: %s", error.where, error.message);
}

/* Checks the pack that was opened, with as many as `sample` images decoded anew. */
static oc_status verify(fixture *f, int64_t sample, int64_t *compared, oc_error *err) {
    return oc_pack_verify(f->pack, f->set.dataset, "train", &(oc_pack_options){.size = 64, .team = f->team}, sample,
                          compared, err);
}

static bool was_made(const fixture *f) {
    return strstr(f->set.log, "decoding ") != NULL;
}

/* Path of the one pack in the cache, freed with free. */
static char *pack_path(const fixture *f) {
    return strdup(f->pack->path);
}

/* ---- content ---- */

static void test_content(void **state) {
    fixture *f = *state;
    test_tiny_create(f->set.root, 3, 100, 6, 2);
    must_open(f, f->set.root, "train", 64, false);
    assert_true(was_made(f));
    assert_int_equal(f->done, 300);
    assert_int_equal(f->total, 300);
    assert_int_equal(oc_pack_count(f->pack), 300);
    assert_int_equal(oc_pack_skipped(f->pack), 0);
    int64_t compared;
    assert_int_equal(verify(f, 500, &compared, NULL), OC_OK);
    assert_int_equal(compared, 300);
    const oc_split *split = oc_dataset_split(f->set.dataset, "train");
    oc_decoder *decoder = NULL;
    assert_int_equal(oc_decoder_create(&decoder, NULL, NULL), OC_OK);
    for (int64_t i = 0; i < 300; i++) {
        const oc_image image = oc_pack_image(f->pack, i);
        uint8_t *bytes;
        size_t size;
        oc_pixels pixels;
        assert_string_equal(image.name, split->sample[i].in_split);
        assert_int_equal(image.label, split->sample[i].label);
        assert_int_equal(image.width, 64);
        assert_int_equal(image.height, 64);
        assert_int_equal(oc_dataset_read(f->set.dataset, &split->sample[i], &bytes, &size, NULL), OC_OK);
        assert_int_equal(oc_decode(decoder, bytes, size, NULL, &pixels, NULL), OC_OK);
        assert_memory_equal(image.pixels, pixels.data, 64 * 64 * 3);
        oc_free(bytes);
    }
    oc_decoder_destroy(&decoder);
    oc_pack_prefetch(f->pack, (const uint32_t[]){0, 299, 7}, 3);
    assert_non_null(strstr(f->pack->path, "/cache/ocelli/my_set-train-64-"));
    must_open(f, f->set.root, "test", 64, false);
    assert_int_equal(oc_pack_image(f->pack, 1).label, -1);
    oc_error error = {0};
    oc_pack *none = NULL;
    assert_int_equal(
        oc_pack_open(&none, f->set.dataset, "other", &(oc_pack_options){.size = 64, .cache = f->cache}, &error),
        OC_E_NOT_FOUND);
    assert_null(none);
}

/* A folder and a zip of it, one thread and two: the same bytes. */
static void test_same_bytes(void **state) {
    fixture *f = *state;
    char archive[400];
    oc_pack_trailer of[3];
    test_tiny_create(f->set.root, 2, 150, 2, 0);
    snprintf(archive, sizeof archive, "%s/set.zip", f->set.folder);
    test_zip_create(archive, f->set.root, "set/", true);
    must_open(f, f->set.root, "train", 64, false);
    of[0] = f->pack->trailer;
    must_open(f, archive, "train", 64, false);
    assert_true(was_made(f));
    of[1] = f->pack->trailer;
    unlink(f->pack->path);
    oc_team_destroy(&f->team);
    must_open(f, archive, "train", 64, false);
    of[2] = f->pack->trailer;
    assert_true(of[0].data_sum == of[1].data_sum && of[0].index_sum == of[1].index_sum);
    assert_memory_equal(&of[1], &of[2], sizeof of[1]);
}

/* Images that are read in other ways lie in packs of their own, which leave each other alone. */
static void test_readings(void **state) {
    static const oc_image_options readings[] = {
        OC_IMAGE_OPTIONS_DEFAULT,
        {.background = {255, 255, 255}},
        {.exif = true, .background = {0, 255, 255}},
        {.exif = true, .background = {255, 255, 0}},
    };
    fixture *f = *state;
    unsigned char exif[TEST_EXIF_SIZE];
    size_t size;
    oc_pack *pack = NULL;
    test_png_write(test_set_path(&f->set, "train/a/1.png"), 24, 16, 3, TEST_PNG_RGBA);
    unsigned char *bytes = test_jpeg_encode(
        24, 16, 3, &(test_jpeg_options){.exif = exif, .exif_size = test_exif_make(exif, 6, true)}, &size);
    test_bytes_write(test_set_path(&f->set, "train/a/2.jpg"), bytes, size);
    free(bytes);
    must_open(f, f->set.root, "train", 64, false);
    for (int again = 0; again < 2; again++)
        for (size_t i = 0; i < sizeof readings / sizeof *readings; i++) {
            f->set.log[0] = '\0';
            assert_int_equal(oc_pack_open(&pack, f->set.dataset, "train",
                                          &(oc_pack_options){.size = 64,
                                                             .image = &readings[i],
                                                             .cache = f->cache,
                                                             .team = f->team,
                                                             .log = {test_set_on_log, &f->set}},
                                          NULL),
                             OC_OK);
            assert_int_equal(was_made(f), again == 0 && i > 0); /* the first was opened above */
            const oc_image png = oc_pack_image(pack, 0), jpeg = oc_pack_image(pack, 1);
            for (int c = 0; c < 3; c++) {
                const int alpha = test_pixel(0, 0, 1, 4), own = test_pixel(0, 0, c, 3);
                assert_int_equal(png.pixels[c], (own * alpha + readings[i].background[c] * (255 - alpha) + 127) / 255);
            }
            assert_int_equal(jpeg.width, readings[i].exif ? 16 : 24);
            assert_int_equal(jpeg.height, readings[i].exif ? 24 : 16);
            oc_pack_destroy(&pack);
        }
}

/* Other sizes: what is small stays, what is large is cut to 1.25 × size on its shorter side. */
static void test_sizes(void **state) {
    static const struct {
        int width, height, kept_width, kept_height;
    } sizes[] = {{8, 8, 8, 8},      {40, 40, 40, 40},  {40, 200, 40, 200}, {41, 41, 40, 40},
                 {100, 50, 80, 40}, {50, 101, 40, 81}, {300, 60, 200, 40}};
    fixture *f = *state;
    const size_t count = sizeof sizes / sizeof *sizes;
    for (size_t i = 0; i < count; i++) {
        char name[64];
        snprintf(name, sizeof name, "train/a/%zu.png", i);
        test_png_write(test_set_path(&f->set, name), sizes[i].width, sizes[i].height, 3, TEST_PNG_PALETTE);
    }
    must_open(f, f->set.root, "train", 32, false);
    for (size_t i = 0; i < count; i++) {
        const oc_image image = oc_pack_image(f->pack, (int64_t)i);
        assert_int_equal(image.width, sizes[i].kept_width);
        assert_int_equal(image.height, sizes[i].kept_height);
    }
    /* Halving keeps the mean: the picture is an average, not a choice of pixels. */
    test_png_write(test_set_path(&f->set, "train/a/9.png"), 80, 80, 3, TEST_PNG_GREY);
    must_open(f, f->set.root, "train", 32, false);
    const oc_image half = oc_pack_image(f->pack, (int64_t)count);
    double mean = 0, want = 0;
    for (int i = 0; i < 80 * 80; i++) want += test_pixel(i % 80, i / 80, 0, 3) / 6400.0;
    for (int i = 0; i < 40 * 40; i++) mean += half.pixels[3 * i] / 1600.0;
    assert_int_equal(half.width, 40);
    assert_true(mean > want - 1 && mean < want + 1);
}

/* ---- made once, and again when needed ---- */

static void test_second_open(void **state) {
    fixture *f = *state;
    test_tiny_create(f->set.root, 2, 3, 2, 0);
    must_open(f, f->set.root, "train", 64, false);
    assert_true(was_made(f));
    must_open(f, f->set.root, "train", 64, false);
    assert_string_equal(f->set.log, "");
    must_open(f, f->set.root, "train", 32, false);
    assert_true(was_made(f));
    must_open(f, f->set.root, "val", 64, false);
    assert_int_equal(test_folder_entries(f->cache), 3);
    /* An image more: the old state's pack goes, and nothing else. */
    test_jpeg_write(test_set_path(&f->set, "train/n0001/images/n0001_7.JPEG"), 64, 64, 9, TEST_JPEG_RGB);
    must_open(f, f->set.root, "train", 64, false);
    assert_true(was_made(f));
    assert_non_null(strstr(f->set.log, "removed, the data set has changed"));
    assert_int_equal(oc_pack_count(f->pack), 7);
    assert_int_equal(test_folder_entries(f->cache), 3);
}

/* Cut anywhere or with any byte of trailer or index changed, it is made again; changed pixels are found by verify. */
static void test_damaged(void **state) {
    fixture *f = *state;
    size_t size, again_size;
    test_tiny_create(f->set.root, 2, 2, 2, 0);
    must_open(f, f->set.root, "train", 64, false);
    char *path = pack_path(f);
    const size_t index = f->pack->trailer.index_offset;
    unsigned char *bytes = test_bytes_read(path, &size);
    const size_t cuts[] = {0, 1, 100, size / 2, index, size - 1};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        test_bytes_write(path, bytes, cuts[i]);
        must_open(f, f->set.root, "train", 64, false);
        const char *told = strstr(f->set.log, "damaged cache");
        assert_true(told && !strstr(told + 1, "damaged cache"));
        assert_true(was_made(f));
        unsigned char *again = test_bytes_read(path, &again_size);
        assert_int_equal(again_size, size);
        assert_memory_equal(again, bytes, size);
        free(again);
    }
    for (size_t i = index; i < size; i += 5) {
        bytes[i] ^= 0x10;
        test_bytes_write(path, bytes, size);
        bytes[i] ^= 0x10;
        must_open(f, f->set.root, "train", 64, false);
        assert_non_null(strstr(f->set.log, "damaged cache"));
    }
    oc_pack_destroy(&f->pack);
    bytes[1000] ^= 1;
    test_bytes_write(path, bytes, size);
    must_open(f, f->set.root, "train", 64, false);
    oc_error error = {0};
    int64_t compared;
    assert_int_equal(verify(f, 0, &compared, &error), OC_E_FORMAT);
    assert_string_equal(error.where, path);
    free(bytes);
    free(path);
}

/* The packs of an earlier version go when one of the same name is made; others stay. */
static void test_earlier_versions(void **state) {
    fixture *f = *state;
    static const struct {
        const char *name;
        char version;
        bool stays;
    } files[] = {
        {"my_set-train-64-0123456789abcdef", '1', false},
        {"my_set-train-64-upright-ffffff-crop-0123456789abcdef", '4', false},
        {"my_set-train-64-upright-ffffff-crop-fedcba9876543210", '9', true},
        {"my_set-val-64-0123456789abcdef", '1', true},
        {"other-train-64-0123456789abcdef", '1', true},
    };
    char path[700];
    size_t size;
    test_png_write(test_set_path(&f->set, "train/a/1.png"), 16, 16, 1, TEST_PNG_RGB);
    must_open(f, f->set.root, "train", 64, false);
    unsigned char *bytes = test_bytes_read(f->pack->path, &size);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        bytes[size - sizeof(oc_pack_trailer) + 7] = (unsigned char)files[i].version; /* the magic's last digit */
        snprintf(path, sizeof path, "%s/%s.ocpack", f->cache, files[i].name);
        test_bytes_write(path, bytes, size);
    }
    test_png_write(test_set_path(&f->set, "train/a/2.png"), 16, 16, 2, TEST_PNG_RGB);
    must_open(f, f->set.root, "train", 64, false);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s.ocpack", f->cache, files[i].name);
        if ((access(path, F_OK) == 0) != files[i].stays) fail_msg("%s: %s", path, f->set.log);
    }
    free(bytes);
}

/* An image that has changed under an open pack, of twenty among which one is left out: all find it, a sample of ten
 * does about every other time. */
static void test_verify(void **state) {
    fixture *f = *state;
    oc_error error = {0};
    char name[60];
    int64_t compared, found = 0;
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "train/%c/%02d.png", 'a' + i % 2, i);
        test_png_write(test_set_path(&f->set, name), 16, 16, i, TEST_PNG_RGB);
    }
    test_text_write(test_set_path(&f->set, "train/a/04.png"), "no picture");
    must_open(f, f->set.root, "train", 64, true);
    assert_int_equal(verify(f, INT64_MAX, &compared, NULL), OC_OK);
    assert_int_equal(compared, 19);
    test_png_write(test_set_path(&f->set, "train/b/07.png"), 16, 16, 99, TEST_PNG_RGB);
    assert_int_equal(verify(f, 19, &compared, &error), OC_E_FORMAT);
    assert_non_null(strstr(error.message, "1 are others than it has, the first is train/b/07.png"));
    for (int i = 0; i < 60; i++) {
        found += verify(f, 10, &compared, NULL) == OC_E_FORMAT;
        assert_int_equal(compared, 10);
    }
    print_message("found %d times of 60\n", (int)found);
    assert_true(found > 5 && found < 58); /* beyond, by chance, once in 10^8 */
    must_open(f, f->set.root, "train", 64, true);
    assert_true(was_made(f));
    assert_int_equal(verify(f, INT64_MAX, &compared, NULL), OC_OK);
}

static void test_stopped(void **state) {
    fixture *f = *state;
    oc_error error = {0};
    test_tiny_create(f->set.root, 2, 200, 2, 0);
    f->stop_after = 1;
    assert_int_equal(open_pack(f, f->set.root, "train", 64, false, &error), OC_E_STOPPED);
    assert_null(f->pack);
    assert_int_equal(test_folder_entries(f->cache), 0);
    f->stop_after = -1;
    must_open(f, f->set.root, "train", 64, false);
}

/* Processes that start at once end with one whole pack. */
static void test_two_processes(void **state) {
    fixture *f = *state;
    pid_t child[3];
    test_tiny_create(f->set.root, 2, 150, 2, 0);
    oc_team_destroy(&f->team); /* threads do not outlive a fork */
    for (int i = 0; i < 3; i++) {
        child[i] = fork();
        assert_true(child[i] >= 0);
        if (child[i] > 0) continue;
        oc_dataset *dataset = NULL;
        oc_pack *pack = NULL;
        oc_status status = oc_dataset_open(&dataset, f->set.root, NULL, NULL);
        if (status == OC_OK)
            status = oc_pack_open(&pack, dataset, "train", &(oc_pack_options){.size = 64, .cache = f->cache}, NULL);
        int64_t compared;
        if (status == OC_OK)
            status = oc_pack_verify(pack, dataset, "train", &(oc_pack_options){.size = 64}, 300, &compared, NULL);
        _exit(status == OC_OK && oc_pack_count(pack) == 300 ? 0 : 1);
    }
    for (int i = 0; i < 3; i++) {
        int result;
        assert_int_equal(waitpid(child[i], &result, 0), child[i]);
        assert_int_equal(result, 0);
    }
    assert_int_equal(test_folder_entries(f->cache), 1);
    must_open(f, f->set.root, "train", 64, false);
    assert_false(was_made(f));
}

/* Another maker is waited for; a run that has locked the folder for itself is not. */
static void test_locked(void **state) {
    fixture *f = *state;
    char file[500];
    oc_error error = {0};
    oc_lock *lock = NULL;
    test_tiny_create(f->set.root, 2, 3, 2, 0);
    must_open(f, f->set.root, "val", 64, false); /* makes the folder */
    snprintf(file, sizeof file, "%s/packs.lock", f->cache);
    assert_int_equal(oc_lock_create_file(&lock, file, NULL), OC_OK);
    f->stop_after = 2;
    assert_int_equal(open_pack(f, f->set.root, "train", 64, false, &error), OC_E_STOPPED);
    const char *told = strstr(f->set.log, "waiting for another process");
    assert_true(told && !strstr(told + 1, "waiting for another process"));
    oc_lock_destroy(&lock);
    f->stop_after = -1;
    assert_int_equal(oc_lock_create(&lock, f->cache, NULL), OC_OK);
    must_open(f, f->set.root, "train", 64, false);
    assert_null(strstr(f->set.log, "waiting"));
    oc_lock_destroy(&lock);
    assert_int_equal(test_folder_entries(f->cache), 2);
}

/* ---- bad images ---- */

static void make_bad(fixture *f) {
    size_t size;
    unsigned char *bytes = test_bytes_read(test_set_path(&f->set, "train/n0000/images/n0000_0.JPEG"), &size);
    test_bytes_write(test_set_path(&f->set, "train/n0000/images/n0000_0.JPEG"), "", 0);
    test_bytes_write(test_set_path(&f->set, "train/n0000/images/n0000_2.JPEG"), bytes, size - 100);
    test_text_write(test_set_path(&f->set, "train/n0001/images/n0001_1.JPEG"), "not an image at all");
    free(bytes);
    bytes = test_bytes_read(test_set_path(&f->set, "train/n0001/images/n0001_2.JPEG"), &size);
    unsigned char *frame = memmem(bytes, size, "\xff\xc0", 2);
    assert_non_null(frame);
    frame[4] = 12; /* bits a sample */
    test_bytes_write(f->set.path, bytes, size);
    free(bytes);
}

static void test_bad_images(void **state) {
    fixture *f = *state;
    oc_error error = {0};
    test_tiny_create(f->set.root, 2, 4, 2, 0);
    make_bad(f);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(open_pack(f, f->set.root, "train", 64, false, &error), OC_E_FORMAT);
        assert_null(f->pack);
        assert_non_null(strstr(error.message, "4 of the 8 images of train cannot be decoded"));
        assert_non_null(strstr(error.message, "train/n0000/images/n0000_0.JPEG (empty file)"));
        assert_non_null(strstr(error.message, "--skip-bad"));
        assert_string_equal(error.where, f->set.root);
        assert_non_null(strstr(f->set.log, "n0000_0.JPEG: empty file\n"));
        assert_non_null(strstr(f->set.log, "n0000_2.JPEG: truncated JPEG\n"));
        assert_non_null(strstr(f->set.log, "n0001_1.JPEG: not an image: begins with the text \"not an image"));
        assert_non_null(strstr(f->set.log, "n0001_2.JPEG: JPEG of 12 bits a sample"));
        must_open(f, f->set.root, "train", 64, true);
        assert_non_null(strstr(f->set.log, "4 of the 8 images of train are left out\n"));
        assert_null(strstr(f->set.log, "of the class"));
        assert_int_equal(oc_pack_skipped(f->pack), 4);
        assert_int_equal(oc_pack_count(f->pack), 4);
        assert_string_equal(oc_pack_image(f->pack, 0).name, "n0000/images/n0000_1.JPEG");
        assert_string_equal(oc_pack_image(f->pack, 2).name, "n0001/images/n0001_0.JPEG");
        assert_int_equal(oc_pack_image(f->pack, 2).label, 1);
    }
    /* Mended in place, which no folder's time shows. */
    test_jpeg_write(test_set_path(&f->set, "train/n0000/images/n0000_0.JPEG"), 64, 64, 1, TEST_JPEG_RGB);
    must_open(f, f->set.root, "train", 64, true);
    assert_true(was_made(f));
    assert_int_equal(oc_pack_skipped(f->pack), 3);
}

/* Classes that lose all they have are named, at first and from the cache; only those, and only of train. */
static void test_emptied_classes(void **state) {
    fixture *f = *state;
    char name[64];
    test_tiny_create(f->set.root, 9, 2, 9, 0);
    for (int i = 1; i < 9; i++) {
        snprintf(name, sizeof name, "train/n000%d/images/n000%d_0.JPEG", i, i);
        test_text_write(test_set_path(&f->set, name), "text");
        snprintf(name, sizeof name, "train/n000%d/images/n000%d_1.JPEG", i, i);
        if (i == 4) test_text_write(test_set_path(&f->set, name), "text");
    }
    test_text_write(test_set_path(&f->set, "val/images/val_2.JPEG"), "text");
    for (int again = 0; again < 2; again++) {
        must_open(f, f->set.root, "train", 64, true);
        assert_non_null(strstr(f->set.log, "left in train of the class n0004\n"));
    }
    must_open(f, f->set.root, "val", 64, true);
    assert_non_null(strstr(f->set.log, "left in val of the class n0002\n"));
    for (int i = 1; i < 8; i++) {
        snprintf(name, sizeof name, "train/n000%d/images/n000%d_1.JPEG", i, i);
        test_text_write(test_set_path(&f->set, name), "text");
    }
    test_jpeg_write(test_set_path(&f->set, "train/n0000/images/n0000_2.JPEG"), 64, 64, 1, TEST_JPEG_RGB);
    must_open(f, f->set.root, "train", 64, true);
    assert_non_null(strstr(f->set.log, "of the classes n0001, n0002, n0003, n0004, n0005 and 2 more\n"));
}

static void test_many_bad(void **state) {
    fixture *f = *state;
    char name[64];
    for (int i = 0; i < 25; i++) {
        snprintf(name, sizeof name, "a/%02d.jpg", i);
        test_text_write(test_set_path(&f->set, name), "text");
    }
    oc_error error = {0};
    assert_int_equal(open_pack(f, f->set.root, "train", 64, false, &error), OC_E_FORMAT);
    assert_non_null(strstr(error.message, "25 of the 25"));
    assert_non_null(strstr(f->set.log, "a/19.jpg: "));
    assert_null(strstr(f->set.log, "a/20.jpg: "));
    assert_non_null(strstr(f->set.log, "and 5 more\n"));
    assert_int_equal(open_pack(f, f->set.root, "train", 64, true, &error), OC_E_FORMAT);
    assert_non_null(strstr(error.message, "no image of train can be decoded"));
}

static void test_no_cache_folder(void **state) {
    fixture *f = *state;
    oc_error error = {0};
    test_tiny_create(f->set.root, 2, 1, 2, 0);
    test_text_write(test_set_path(&f->set, "file"), "x");
    snprintf(f->cache, sizeof f->cache, "%s/file", f->set.root);
    assert_int_equal(open_pack(f, f->set.root, "train", 64, false, &error), OC_E_IO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_content, setup, teardown),
        cmocka_unit_test_setup_teardown(test_same_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_readings, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sizes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_second_open, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_verify, setup, teardown),
        cmocka_unit_test_setup_teardown(test_earlier_versions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stopped, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_processes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_locked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_images, setup, teardown),
        cmocka_unit_test_setup_teardown(test_emptied_classes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_bad, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_cache_folder, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
