/* Writing the generated data set: folders, JPEG files, annotations. The folder is filled under another name beside its
 * own and renamed when it is whole. Files are not synced one by one: what a crash spoils can be generated again. */
#define _GNU_SOURCE 1
#include "data/demo/demo.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "data/image/encode.h"
#include "ocelli/data.h"

#define CLASSES_DEFAULT 10
#define PER_CLASS_DEFAULT 200
#define PER_CLASS_MAX 100000
#define VAL_PER_CLASS_MIN 5
#define PATH_SIZE 4096
/* Between two looks at the progress callback. */
#define CHUNK 256

/* `a` of the random streams, and the splits' places. */
enum { TRAIN, VAL, TEST };

/* What one worker paints on. */
typedef struct pen {
    oc_demo_picture picture;
    oc_status status; /* of the first file that failed */
    oc_error error;
} pen;

typedef struct demo {
    const char *root; /* the temporary folder */
    int classes;
    int64_t per_class;
    uint64_t seed;
    const oc_progress *progress;
    int64_t done, total; /* images */
    oc_team *team;
    pen *pen; /* [threads] */
} demo;

/* A run of images of one split: numbers first … first + count − 1, of class `label`, or image i of class
 * i mod classes where label is −1. */
typedef struct batch {
    const demo *demo;
    int split;
    int label;
    int64_t first;
    struct {
        uint8_t left, top, right, bottom;
    } box[CHUNK];
} batch;

/* ---- Single files ----------------------------------------------------------------------------------------------- */

/* Class code of a class number; of the form of WordNet's, but no noun has it. */
static int class_code(char code[16], int label) {
    return snprintf(code, 16, "n9%07d", label + 1);
}

static oc_status path_format(char path[PATH_SIZE], oc_error *err, const char *root, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static oc_status path_format(char path[PATH_SIZE], oc_error *err, const char *root, const char *format, ...) {
    va_list arguments;
    int length = snprintf(path, PATH_SIZE, "%s/", root), more = 0;
    if (length < PATH_SIZE) {
        va_start(arguments, format);
        more = vsnprintf(path + length, (size_t)(PATH_SIZE - length), format, arguments);
        va_end(arguments);
    }
    if (length + more >= PATH_SIZE) return oc_fail(err, OC_E_USAGE, root, "the path is too long");
    return OC_OK;
}

static oc_status file_write(const char *path, const void *data, size_t size, oc_error *err) {
    FILE *file = fopen(path, "wb");
    if (!file) return oc_fail(err, OC_E_IO, path, "cannot create: %s", strerror(errno));
    size_t written = size ? fwrite(data, 1, size, file) : 0;
    int error = written == size ? 0 : errno;
    if (fclose(file) != 0 && error == 0) error = errno;
    if (error) return oc_fail(err, OC_E_IO, path, "cannot write: %s", strerror(error));
    return OC_OK;
}

static oc_status text_write(const char *root, const char *name, const oc_text *text, oc_error *err) {
    char path[PATH_SIZE];
    oc_status status = path_format(path, err, root, "%s", name);
    return status != OC_OK ? status : file_write(path, text->data, text->size, err);
}

static oc_status image_path(char path[PATH_SIZE], const batch *batch, int64_t number, oc_error *err) {
    char code[16];
    const char *root = batch->demo->root;
    if (batch->split == VAL) return path_format(path, err, root, "val/images/val_%lld.JPEG", (long long)number);
    if (batch->split == TEST) return path_format(path, err, root, "test/images/test_%lld.JPEG", (long long)number);
    class_code(code, batch->label);
    return path_format(path, err, root, "train/%s/images/%s_%lld.JPEG", code, code, (long long)number);
}

static oc_status image_write(batch *batch, int64_t offset, pen *pen, oc_error *err) {
    int64_t number = batch->first + offset;
    const demo *demo = batch->demo;
    oc_demo_picture *picture = &pen->picture;
    int label = batch->label >= 0 ? batch->label : (int)(number % demo->classes);
    oc_demo_kind kind = oc_demo_kind_of(label, demo->classes);
    oc_random random;
    uint64_t stream = batch->label >= 0 ? (uint64_t)batch->label << 32 | (uint64_t)number : (uint64_t)number;
    oc_random_init(&random, demo->seed, OC_RANDOM_DEMO, (uint32_t)batch->split, stream);
    oc_demo_paint(picture, &kind, &random);
    batch->box[offset].left = (uint8_t)picture->left;
    batch->box[offset].top = (uint8_t)picture->top;
    batch->box[offset].right = (uint8_t)picture->right;
    batch->box[offset].bottom = (uint8_t)picture->bottom;
    char path[PATH_SIZE];
    unsigned char *file = NULL;
    oc_status status;
    OC_TRY(image_path(path, batch, number, err));
    size_t size;
    OC_TRY(oc_jpeg_encode(&file, &size, picture->pixels, OC_DEMO_SIDE, OC_DEMO_SIDE, picture->grey, picture->quality,
                          err));
    status = file_write(path, file, size, err);
cleanup:
    free(file);
    return status;
}

/* ---- Splits ----------------------------------------------------------------------------------------------------- */

static void images_task(void *user, int64_t begin, int64_t end, int worker) {
    batch *batch = user;
    pen *pen = &batch->demo->pen[worker];
    for (int64_t i = begin; i < end && pen->status == OC_OK; i++) pen->status = image_write(batch, i, pen, &pen->error);
}

/* Writes images 0 … count − 1 of a split (of one class unless label is −1), and appends their lines to `boxes`. */
static oc_status images_write(demo *demo, int split, int label, int64_t count, oc_text *boxes, oc_error *err) {
    oc_status status = OC_OK;
    batch *batch = NULL;
    OC_TRY(oc_alloc(&batch, 1, sizeof *batch, err));
    for (int64_t first = 0; first < count; first += CHUNK) {
        int64_t size = count - first < CHUNK ? count - first : CHUNK;
        *batch = (struct batch){.demo = demo, .split = split, .label = label, .first = first};
        oc_parallel_for_dynamic(demo->team, size, 4, images_task, batch);
        for (int i = 0; i < oc_team_threads(demo->team); i++)
            if (demo->pen[i].status != OC_OK) {
                if (err) *err = demo->pen[i].error;
                status = demo->pen[i].status;
                goto cleanup;
            }
        for (int64_t i = 0; i < size && boxes; i++) {
            char code[16];
            class_code(code, label >= 0 ? label : (int)((first + i) % demo->classes));
            if (split == VAL)
                OC_TRY(oc_text_printf(boxes, err, "val_%lld.JPEG\t%s", (long long)(first + i), code));
            else
                OC_TRY(oc_text_printf(boxes, err, "%s_%lld.JPEG", code, (long long)(first + i)));
            OC_TRY(oc_text_printf(boxes, err, "\t%d\t%d\t%d\t%d\n", batch->box[i].left, batch->box[i].top,
                                  batch->box[i].right, batch->box[i].bottom));
        }
        demo->done += size;
        if (!oc_progress_report(demo->progress, "generate", demo->done, demo->total)) {
            status = oc_fail(err, OC_E_STOPPED, NULL, "stopped");
            goto cleanup;
        }
    }
cleanup:
    oc_free(batch);
    return status;
}

static oc_status train_write(demo *demo, oc_error *err) {
    oc_status status = OC_OK;
    oc_text boxes = {0};
    char path[PATH_SIZE], code[16];
    for (int label = 0; label < demo->classes; label++) {
        class_code(code, label);
        OC_TRY(path_format(path, err, demo->root, "train/%s/images", code));
        OC_TRY(oc_folder_create(path, err));
        OC_TRY(images_write(demo, TRAIN, label, demo->per_class, &boxes, err));
        OC_TRY(path_format(path, err, demo->root, "train/%s/%s_boxes.txt", code, code));
        OC_TRY(file_write(path, boxes.data, boxes.size, err));
        oc_text_free(&boxes);
    }
cleanup:
    oc_text_free(&boxes);
    return status;
}

static oc_status val_and_test_write(demo *demo, int64_t val, int64_t test, oc_error *err) {
    oc_status status = OC_OK;
    oc_text annotations = {0};
    char path[PATH_SIZE];
    OC_TRY(path_format(path, err, demo->root, "val/images"));
    OC_TRY(oc_folder_create(path, err));
    OC_TRY(images_write(demo, VAL, -1, val, &annotations, err));
    OC_TRY(text_write(demo->root, "val/val_annotations.txt", &annotations, err));
    OC_TRY(path_format(path, err, demo->root, "test/images"));
    OC_TRY(oc_folder_create(path, err));
    OC_TRY(images_write(demo, TEST, -1, test, NULL, err));
cleanup:
    oc_text_free(&annotations);
    return status;
}

static oc_status names_write(const demo *demo, oc_error *err) {
    oc_status status = OC_OK;
    oc_text codes = {0}, words = {0};
    for (int label = 0; label < demo->classes; label++) {
        char code[16];
        oc_demo_kind kind = oc_demo_kind_of(label, demo->classes);
        class_code(code, label);
        OC_TRY(oc_text_printf(&codes, err, "%s\n", code));
        OC_TRY(oc_text_printf(&words, err, "%s\t", code));
        OC_TRY(oc_demo_kind_name(&words, &kind, err));
        OC_TRY(oc_text_append(&words, "\n", 1, err));
    }
    OC_TRY(text_write(demo->root, "wnids.txt", &codes, err));
    OC_TRY(text_write(demo->root, "words.txt", &words, err));
cleanup:
    oc_text_free(&codes);
    oc_text_free(&words);
    return status;
}

/* ---- The whole -------------------------------------------------------------------------------------------------- */

static int entry_remove(const char *path, const struct stat *info, int kind, struct FTW *walk) {
    (void)info;
    (void)kind;
    (void)walk;
    (void)remove(path); /* what stays is harmless, and there is nobody to tell */
    return 0;
}

/* *temporary (freed with oc_free) = a new folder beside `folder`, whose parents are created. */
static oc_status temporary_create(char **temporary, const char *folder, oc_error *err) {
    oc_status status = OC_OK;
    oc_text name = {0};
    char *parent = NULL;
    size_t length = strlen(folder);
    while (length > 1 && folder[length - 1] == '/') length--;
    if (length == 0) return oc_fail(err, OC_E_USAGE, NULL, "no folder given");
    OC_TRY(oc_text_append(&name, folder, length, err));
    OC_TRY(oc_strdup(&parent, name.data, err));
    char *slash = strrchr(parent, '/');
    if (slash && slash > parent) {
        *slash = '\0';
        OC_TRY(oc_folder_create(parent, err));
    }
    OC_TRY(oc_text_printf(&name, err, ".tmp.XXXXXX"));
    if (!mkdtemp(name.data)) {
        status = oc_fail(err, OC_E_IO, folder, "cannot create a folder beside it: %s", strerror(errno));
        goto cleanup;
    }
    *temporary = name.data;
    name = (oc_text){0};
cleanup:
    oc_free(parent);
    oc_text_free(&name);
    return status;
}

static oc_status options_check(const oc_demo_options *options, oc_error *err) {
    if (options->classes != 0 && (options->classes < 2 || options->classes > OC_DEMO_CLASSES_MAX))
        return oc_fail(err, OC_E_USAGE, "--classes", "%d classes: give 2 … %d", options->classes, OC_DEMO_CLASSES_MAX);
    if (options->per_class < 0 || options->per_class > PER_CLASS_MAX)
        return oc_fail(err, OC_E_USAGE, "--per-class", "%d images a class: give 1 … %d", options->per_class,
                       PER_CLASS_MAX);
    return OC_OK;
}

static oc_status folder_check(const char *folder, oc_error *err) {
    DIR *stream = opendir(folder);
    int entries = 0;
    if (!stream && errno == ENOENT) return OC_OK;
    if (!stream && errno != ENOTDIR) return oc_fail(err, OC_E_IO, folder, "cannot look into it: %s", strerror(errno));
    if (stream) {
        while (readdir(stream)) entries++;
        closedir(stream);
        if (entries <= 2) return OC_OK; /* "." and ".." */
    }
    return oc_fail(err, OC_E_EXISTS, folder, "%s: give a new or an empty folder",
                   stream ? "there is something in it already" : "this, or what it lies in, is a file");
}

/* Renames the whole temporary folder over `folder`, which is absent or empty, with the rights of any new folder. */
static oc_status temporary_publish(const char *temporary, const char *folder, oc_error *err) {
    mode_t mask = umask(0);
    umask(mask);
    if (chmod(temporary, 0777 & ~mask) != 0)
        return oc_fail(err, OC_E_IO, temporary, "cannot set its mode: %s", strerror(errno));
    if (rename(temporary, folder) != 0) {
        oc_status status = errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR ? OC_E_EXISTS : OC_E_IO;
        return oc_fail(err, status, folder, "cannot put the data set there: %s", strerror(errno));
    }
    return OC_OK;
}

oc_status oc_data_demo(const char *folder, const oc_demo_options *options, oc_error *err) {
    oc_status status = OC_OK;
    char *temporary = NULL;
    demo demo = {.classes = options->classes ? options->classes : CLASSES_DEFAULT,
                 .per_class = options->per_class ? options->per_class : PER_CLASS_DEFAULT,
                 .seed = options->seed,
                 .progress = &options->progress};
    int64_t val = demo.per_class / 5 > VAL_PER_CLASS_MIN ? demo.per_class / 5 : VAL_PER_CLASS_MIN;
    int64_t test = demo.classes;
    val *= demo.classes;
    demo.total = demo.classes * demo.per_class + val + test;
    OC_TRY(options_check(options, err));
    OC_TRY(folder_check(folder, err));
    OC_TRY(oc_team_create(&demo.team, options->threads, err));
    oc_team_log(demo.team, &options->log);
    OC_TRY(oc_alloc(&demo.pen, (size_t)oc_team_threads(demo.team), sizeof *demo.pen, err));
    OC_TRY(temporary_create(&temporary, folder, err));
    demo.root = temporary;
    OC_TRY(train_write(&demo, err));
    OC_TRY(val_and_test_write(&demo, val, test, err));
    OC_TRY(names_write(&demo, err));
    OC_TRY(temporary_publish(temporary, folder, err));
cleanup:
    if (status != OC_OK && temporary) (void)nftw(temporary, entry_remove, 16, FTW_DEPTH | FTW_PHYS);
    oc_free(temporary);
    oc_free(demo.pen);
    oc_team_destroy(&demo.team);
    return status;
}
