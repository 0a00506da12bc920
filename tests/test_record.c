/* The records of a run: tables that survive cuts and resumes, and event files that a reader of its own understands. */
#define _GNU_SOURCE 1
#include <glob.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "record/crc32c.h"
#include "record/event.pb-c.h"
#include "record/hparams.pb-c.h"
#include "record/record.h"
#include "support/bytes.h"
#include "support/temporary.h"

#define EVENTS_MOST 64

typedef struct fixture {
    char folder[256];
} fixture;

static int set_up(void **state) {
    static fixture f;
    test_temporary_create(f.folder, sizeof f.folder);
    *state = &f;
    return 0;
}

static int tear_down(void **state) {
    test_temporary_remove(((fixture *)*state)->folder);
    return 0;
}

static const char *path_in(const fixture *f, const char *name) {
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", f->folder, name);
    return path;
}

static void expect_text(const fixture *f, const char *name, const char *expected) {
    size_t size;
    unsigned char *text = test_bytes_read(path_in(f, name), &size);
    assert_string_equal((char *)text, expected);
    free(text);
}

#define METRICS_HEADER                                                                                                 \
    "epoch,step,train_loss,train_top1,train_top5,val_loss,val_top1,val_top5,lr,images_per_second,seconds,"             \
    "elapsed_seconds,share_data,share_forward,share_backward,share_optimizer,share_validation\n"
#define ROW_0 "0,0,,,,5.5,0.005,0.025,,,2,2,0,0,0,0,1\n"
#define ROW_1 "1,4,5.25,0.01,0.05,5,0.02,0.08,0.001,100,10,12,0.01,0.3,0.5,0.04,0.15\n"
#define ROW_2 "2,8,5.25,0.01,0.05,5,0.02,0.08,0.001,100,10,12,0.01,0.3,0.5,0.04,0.15\n"

static oc_metrics metrics_of(int64_t epoch) {
    oc_metrics m = {.epoch = epoch,
                    .step = 4 * epoch,
                    .train_loss = 5.25,
                    .train_top1 = 0.01,
                    .train_top5 = 0.05,
                    .val_loss = 5,
                    .val_top1 = 0.02,
                    .val_top5 = 0.08,
                    .lr = 1e-3,
                    .images_per_second = 100,
                    .seconds = 10,
                    .elapsed_seconds = 12,
                    .share_data = 0.01,
                    .share_forward = 0.3,
                    .share_backward = 0.5,
                    .share_optimizer = 0.04,
                    .share_validation = 0.15};
    if (epoch == 0)
        m = (oc_metrics){.train_loss = NAN,
                         .train_top1 = NAN,
                         .train_top5 = NAN,
                         .val_loss = 5.5,
                         .val_top1 = 0.005,
                         .val_top5 = 0.025,
                         .lr = NAN,
                         .images_per_second = NAN,
                         .seconds = 2,
                         .elapsed_seconds = 2,
                         .share_validation = 1};
    return m;
}

/* Opens at `step` and `rows`, writes the epochs [first, last] with four steps before each but 0. */
static void write_run(const fixture *f, int64_t step, int64_t rows, int64_t first, int64_t last) {
    oc_record *record = NULL;
    oc_error err = {0};
    assert_int_equal(oc_record_create(&record, f->folder, step, rows, &err), OC_OK);
    for (int64_t epoch = first; epoch <= last; epoch++) {
        for (int64_t s = 4 * epoch - 3; epoch > 0 && s <= 4 * epoch; s++)
            assert_int_equal(oc_record_step(record, s, 0.5 * (double)s, 1e-3, &err), OC_OK);
        oc_metrics m = metrics_of(epoch);
        assert_int_equal(oc_record_epoch(record, &m, &err), OC_OK);
    }
    assert_int_equal(oc_record_log(record, "a line\nof two", &err), OC_OK);
    assert_int_equal(oc_record_sync(record, &err), OC_OK);
    oc_record_destroy(&record);
    assert_null(record);
    oc_record_destroy(&record);
}

static void test_tables(void **state) {
    const fixture *f = *state;
    write_run(f, 0, 0, 0, 1);
    expect_text(f, "metrics.csv", METRICS_HEADER ROW_0 ROW_1);
    expect_text(f, "steps.csv", "step,loss,lr\n1,0.5,0.001\n2,1,0.001\n3,1.5,0.001\n4,2,0.001\n");
    expect_text(f, "log.txt", "a line of two\n");
}

static void append(const char *path, const char *text) {
    FILE *file = fopen(path, "ab");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* A run that was killed after step 6 of which the state knows 2: what is beyond goes, the rest stays. */
static void test_resume_cuts(void **state) {
    const fixture *f = *state;
    write_run(f, 0, 0, 0, 1);
    append(path_in(f, "steps.csv"), "5,2.5,0.001\n6,3,0.0");
    append(path_in(f, "metrics.csv"), "2,8,1");
    append(path_in(f, "log.txt"), "torn");
    oc_record *record = NULL;
    oc_error err = {0};
    assert_int_equal(oc_record_create(&record, f->folder, 5, 2, &err), OC_OK);
    oc_record_destroy(&record);
    expect_text(f, "steps.csv", "step,loss,lr\n1,0.5,0.001\n2,1,0.001\n3,1.5,0.001\n4,2,0.001\n5,2.5,0.001\n");
    expect_text(f, "metrics.csv", METRICS_HEADER ROW_0 ROW_1);
    expect_text(f, "log.txt", "a line of two\n");
    assert_int_equal(oc_record_create(&record, f->folder, 2, 1, &err), OC_OK);
    oc_record_destroy(&record);
    expect_text(f, "steps.csv", "step,loss,lr\n1,0.5,0.001\n2,1,0.001\n");
    expect_text(f, "metrics.csv", METRICS_HEADER ROW_0);
}

/* Resuming at each epoch's end writes the same tables as never stopping. */
static void test_resume_is_seamless(void **state) {
    const fixture *f = *state;
    write_run(f, 0, 0, 0, 0);
    write_run(f, 0, 1, 1, 1);
    write_run(f, 4, 2, 2, 2);
    expect_text(f, "metrics.csv", METRICS_HEADER ROW_0 ROW_1 ROW_2);
    size_t size;
    unsigned char *steps = test_bytes_read(path_in(f, "steps.csv"), &size);
    int lines = 0;
    for (size_t i = 0; i < size; i++) lines += steps[i] == '\n';
    assert_int_equal(lines, 9);
    free(steps);
}

/* A table cut at any byte is opened, and what is left of it is whole rows. */
static void test_cut_anywhere(void **state) {
    const fixture *f = *state;
    write_run(f, 0, 0, 0, 1);
    size_t size;
    unsigned char *whole = test_bytes_read(path_in(f, "steps.csv"), &size);
    for (size_t cut = 0; cut <= size; cut++) {
        oc_record *record = NULL;
        oc_error err = {0};
        test_bytes_write(path_in(f, "steps.csv"), whole, cut);
        assert_int_equal(oc_record_create(&record, f->folder, 4, 2, &err), OC_OK);
        oc_record_destroy(&record);
        size_t left;
        unsigned char *text = test_bytes_read(path_in(f, "steps.csv"), &left);
        size_t header = strlen("step,loss,lr\n");
        assert_true(left >= header && text[left - 1] == '\n');
        assert_true(left <= (cut > header ? cut : header));
        assert_memory_equal(text, whole, left);
        free(text);
    }
    free(whole);
}

/* A table of an earlier version lacks columns, one that a spreadsheet has saved ends its lines otherwise: gone on with,
 * it is one table of today's columns, and before that it is read as it is. */
static void test_older_table(void **state) {
    const fixture *f = *state;
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"epoch,step,val_loss,lr,val_top1\n0,0,5.5,,0.005\n1,4,5,0.001,0.02\n2,8,5,0.0",
         METRICS_HEADER "0,0,,,,5.5,0.005,,,,,,,,,,\n1,4,,,,5,0.02,,0.001,,,,,,,,\n"},
        {"epoch,step,val_loss\r\n0,0,5.5\r\n1,4,\r\n", METRICS_HEADER "0,0,,,,5.5,,,,,,,,,,,\n1,4,,,,,,,,,,,,,,,\n"},
        {"epoch\n0\n1\n", METRICS_HEADER "0,,,,,,,,,,,,,,,,\n1,,,,,,,,,,,,,,,,\n"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        oc_error err = {0};
        oc_record *record = NULL;
        oc_metrics *rows = NULL;
        size_t count = 0;
        test_bytes_write(path_in(f, "metrics.csv"), cases[i].text, strlen(cases[i].text));
        assert_int_equal(oc_metrics_read(&rows, &count, path_in(f, "metrics.csv"), &err), OC_OK);
        assert_int_equal(count, 2);
        assert_int_equal(rows[1].epoch, 1);
        assert_true(isnan(rows[0].train_loss) && isnan(rows[0].share_validation));
        assert_true(i == 2 || rows[0].val_loss == 5.5);
        free(rows);
        assert_int_equal(oc_record_create(&record, f->folder, 4, 2, &err), OC_OK);
        oc_record_destroy(&record);
        expect_text(f, "metrics.csv", cases[i].expected);
        /* What is beyond the rows that stay is looked at by nobody. */
        test_bytes_write(path_in(f, "metrics.csv"), cases[i].text, strlen(cases[i].text));
        append(path_in(f, "metrics.csv"), "\n2,8,,,,,\nnothing\n");
        assert_int_equal(oc_record_create(&record, f->folder, 4, 2, &err), OC_OK);
        oc_record_destroy(&record);
        expect_text(f, "metrics.csv", cases[i].expected);
    }
}

/* Tables that are no older ones of ours, or are damaged, are left as they are. */
static void test_no_older_table(void **state) {
    const fixture *f = *state;
    static const char *const texts[] = {"epoch,step,val_loss,brightness\n0,0,1,2\n",
                                        "epoch,step,epoch\n0,0,0\n",
                                        "step,epoch\n0,0\n",
                                        "epoch,step,lr\n0,0\n",
                                        "epoch,step,lr\n0,0,1,2\n",
                                        "epoch,step,\n0,0,\n",
                                        "\n0\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        oc_error err = {0};
        oc_record *record = NULL;
        oc_metrics *rows = NULL;
        size_t count = 0;
        test_bytes_write(path_in(f, "metrics.csv"), texts[i], strlen(texts[i]));
        assert_int_equal(oc_record_create(&record, f->folder, 0, 1, &err), OC_E_FORMAT);
        assert_int_equal(oc_metrics_read(&rows, &count, path_in(f, "metrics.csv"), &err), OC_E_FORMAT);
        expect_text(f, "metrics.csv", texts[i]);
    }
}

static void test_no_numbers(void **state) {
    const fixture *f = *state;
    oc_error err = {0};
    oc_record *record = NULL;
    assert_int_equal(oc_record_create(&record, f->folder, 0, 0, &err), OC_OK);
    assert_int_equal(oc_record_step(record, 1, -INFINITY, 1.5e-7, &err), OC_OK);
    assert_int_equal(oc_record_step(record, 2, NAN, 0.25, &err), OC_OK);
    oc_record_destroy(&record);
    expect_text(f, "steps.csv", "step,loss,lr\n1,,1.5e-07\n2,,0.25\n");
}

static void test_foreign_table(void **state) {
    const fixture *f = *state;
    oc_record *record = NULL;
    oc_error err = {0};
    test_bytes_write(path_in(f, "metrics.csv"), "time,money\n1,2\n", 15);
    assert_int_equal(oc_record_create(&record, f->folder, 0, 0, &err), OC_E_FORMAT);
    assert_null(record);
    assert_non_null(strstr(err.where, "metrics.csv"));
    expect_text(f, "metrics.csv", "time,money\n1,2\n");
    assert_int_equal(oc_record_create(&record, "/nonexistent/folder", 0, 0, &err), OC_E_IO);
}

static void test_crc32c(void **state) {
    (void)state;
    unsigned char zeros[32] = {0};
    assert_int_equal(oc_crc32c("123456789", 9), 0xE3069283u);
    assert_int_equal(oc_crc32c(zeros, 32), 0x8A9136AAu); /* RFC 3720, B.4 */
    assert_int_equal(oc_crc32c("", 0), 0);
    uint32_t masked = oc_crc32c_masked("123456789", 9) - 0xA282EAD8u;
    assert_int_equal((masked << 15) | (masked >> 17), 0xE3069283u);
}

/* ---- event files ---- */

static uint64_t little_endian(const unsigned char *bytes, int count) {
    uint64_t value = 0;
    for (int i = count; i-- > 0;) value = value << 8 | bytes[i];
    return value;
}

/* Reads the frames of the `index`-th event file, checking every checksum; returns the number of events. */
static int read_events(const fixture *f, size_t index, Oc__Record__Event *events[EVENTS_MOST]) {
    glob_t files;
    assert_int_equal(glob(path_in(f, "events.out.tfevents.*"), 0, NULL, &files), 0);
    assert_true(index < files.gl_pathc);
    size_t size, at = 0;
    int count = 0;
    unsigned char *data = test_bytes_read(files.gl_pathv[index], &size);
    while (at < size) {
        assert_true(size - at >= 16);
        uint64_t length = little_endian(data + at, 8);
        assert_int_equal(little_endian(data + at + 8, 4), oc_crc32c_masked(data + at, 8));
        assert_true(length <= size - at - 16);
        assert_int_equal(little_endian(data + at + 12 + length, 4), oc_crc32c_masked(data + at + 12, (size_t)length));
        assert_true(count < EVENTS_MOST);
        events[count] = oc__record__event__unpack(NULL, (size_t)length, data + at + 12);
        assert_non_null(events[count]);
        assert_true(events[count]->wall_time > 1e9);
        count++;
        at += 16 + (size_t)length;
    }
    free(data);
    globfree(&files);
    return count;
}

static void free_events(Oc__Record__Event **events, int count) {
    for (int i = 0; i < count; i++) oc__record__event__free_unpacked(events[i], NULL);
}

static double scalar(const Oc__Record__Event *event, const char *tag) {
    if (event->what_case != OC__RECORD__EVENT__WHAT_SUMMARY) return NAN;
    for (size_t i = 0; i < event->summary->n_value; i++)
        if (strcmp(event->summary->value[i]->tag, tag) == 0) return event->summary->value[i]->simple_value;
    return NAN;
}

static void expect_head(Oc__Record__Event **events, int64_t start) {
    assert_int_equal(events[0]->what_case, OC__RECORD__EVENT__WHAT_FILE_VERSION);
    assert_string_equal(events[0]->file_version, "brain.Event:2");
    assert_int_equal(events[1]->what_case, OC__RECORD__EVENT__WHAT_SESSION_LOG);
    assert_int_equal(events[1]->session_log->status, OC__RECORD__SESSION_LOG__STATUS__START);
    assert_int_equal(events[1]->step, start);
}

static void test_events(void **state) {
    const fixture *f = *state;
    Oc__Record__Event *events[EVENTS_MOST];
    write_run(f, 0, 0, 0, 1);
    int count = read_events(f, 0, events);
    assert_int_equal(count, 2 + 1 + 4 + 1);
    if (count != 8) return; /* the assertion has ended the test: for clang's analyser */
    expect_head(events, 0);
    /* The row before the first step has no training figures. */
    assert_int_equal(events[2]->step, 0);
    assert_true(scalar(events[2], "loss/validation") == 5.5);
    assert_true(isnan(scalar(events[2], "top1/train")));
    for (int s = 1; s <= 4; s++) {
        assert_int_equal(events[2 + s]->step, s);
        assert_true(scalar(events[2 + s], "loss/train") == 0.5 * s);
        assert_true(scalar(events[2 + s], "lr") == (float)1e-3);
    }
    assert_int_equal(events[7]->step, 4);
    assert_true(scalar(events[7], "top1/validation") == (float)0.02);
    assert_true(scalar(events[7], "top5/validation") == (float)0.08);
    assert_true(scalar(events[7], "loss/validation") == 5.0);
    free_events(events, count);

    /* A resume after step 4 begins another file; START's step is the first that earlier files must not have. */
    write_run(f, 4, 2, 2, 2);
    count = read_events(f, 1, events);
    assert_int_equal(count, 2 + 4 + 1);
    if (count != 7) return;
    expect_head(events, 5);
    assert_int_equal(events[2]->step, 5);
    free_events(events, count);
}

static const Oc__Record__Summary__Value *value_of(const Oc__Record__Event *event, const char *tag) {
    assert_int_equal(event->what_case, OC__RECORD__EVENT__WHAT_SUMMARY);
    assert_int_equal(event->summary->n_value, 1);
    assert_string_equal(event->summary->value[0]->tag, tag);
    return event->summary->value[0];
}

/* What the HParams plugin is told under a tag. */
static Oc__Record__HparamsData *told(const Oc__Record__Event *event, const char *tag) {
    const Oc__Record__Summary__Value *value = value_of(event, tag);
    assert_int_equal(event->step, 0);
    assert_int_equal(value->value_case, OC__RECORD__SUMMARY__VALUE__VALUE_TENSOR);
    assert_string_equal(value->metadata->plugin_data->plugin_name, "hparams");
    const ProtobufCBinaryData content = value->metadata->plugin_data->content;
    Oc__Record__HparamsData *data = oc__record__hparams_data__unpack(NULL, content.len, content.data);
    assert_non_null(data);
    assert_int_equal(data->version, 0);
    return data;
}

static void test_hparams(void **state) {
    const fixture *f = *state;
    static const oc_hparam hparams[] = {{.name = "model.name", .type = OC_HPARAM_TEXT, .text = "m", .given = true},
                                        {.name = "data.augment", .type = OC_HPARAM_BOOL, .text = "true", .number = 1},
                                        {.name = "optimizer.lr", .type = OC_HPARAM_NUMBER, .number = 0.1}};
    Oc__Record__Event *events[EVENTS_MOST];
    oc_record *record = NULL;
    oc_error err = {0};
    assert_int_equal(oc_record_create(&record, f->folder, 0, 0, &err), OC_OK);
    assert_int_equal(oc_record_begin(record, hparams, 3, &err), OC_OK);
    assert_int_equal(oc_record_end(record, &err), OC_OK);
    oc_record_destroy(&record);
    const int count = read_events(f, 0, events);
    assert_int_equal(count, 2 + 3);
    if (count != 5) return;

    Oc__Record__HparamsData *data = told(events[2], "_hparams_/experiment");
    assert_int_equal(data->data_case, OC__RECORD__HPARAMS_DATA__DATA_EXPERIMENT);
    const Oc__Record__Experiment *experiment = data->experiment;
    assert_int_equal(experiment->n_hparam_infos, 3);
    assert_string_equal(experiment->hparam_infos[2]->name, "optimizer.lr");
    assert_int_equal(experiment->hparam_infos[0]->type, OC__RECORD__HPARAM_INFO__TYPE__STRING);
    assert_int_equal(experiment->hparam_infos[1]->type, OC__RECORD__HPARAM_INFO__TYPE__BOOL);
    assert_int_equal(experiment->hparam_infos[2]->type, OC__RECORD__HPARAM_INFO__TYPE__FLOAT64);
    assert_true(experiment->hparam_infos[0]->differs && !experiment->hparam_infos[2]->differs);
    assert_int_equal(experiment->hparam_infos[0]->domain_case, OC__RECORD__HPARAM_INFO__DOMAIN__NOT_SET);
    assert_int_equal(experiment->hparam_infos[1]->domain_discrete->n_values, 2);
    assert_int_equal(experiment->n_metric_infos, 4);
    assert_string_equal(experiment->metric_infos[0]->name->tag, "top1/validation");
    oc__record__hparams_data__free_unpacked(data, NULL);

    data = told(events[3], "_hparams_/session_start_info");
    assert_int_equal(data->data_case, OC__RECORD__HPARAMS_DATA__DATA_SESSION_START_INFO);
    const Oc__Record__SessionStart *start = data->session_start_info;
    assert_true(start->start_time_secs > 1e9);
    assert_int_equal(start->n_hparams, 3);
    for (int i = 0; i < 3; i++) assert_string_equal(start->hparams[i]->key, hparams[i].name);
    assert_int_equal(start->hparams[0]->value->kind_case, OC__RECORD__HPARAM_VALUE__KIND_STRING_VALUE);
    assert_string_equal(start->hparams[0]->value->string_value, "m");
    assert_int_equal(start->hparams[1]->value->kind_case, OC__RECORD__HPARAM_VALUE__KIND_BOOL_VALUE);
    assert_true(start->hparams[1]->value->bool_value);
    assert_int_equal(start->hparams[2]->value->kind_case, OC__RECORD__HPARAM_VALUE__KIND_NUMBER_VALUE);
    assert_true(start->hparams[2]->value->number_value == 0.1);
    oc__record__hparams_data__free_unpacked(data, NULL);

    data = told(events[4], "_hparams_/session_end_info");
    assert_int_equal(data->data_case, OC__RECORD__HPARAMS_DATA__DATA_SESSION_END_INFO);
    assert_int_equal(data->session_end_info->status, OC__RECORD__SESSION_END__STATUS__SUCCESS);
    assert_true(data->session_end_info->end_time_secs > 1e9);
    oc__record__hparams_data__free_unpacked(data, NULL);
    free_events(events, count);
}

/* An image of any size is one whole event. */
static void test_picture(void **state) {
    const fixture *f = *state;
    const size_t size = 300000;
    unsigned char *bytes = calloc(size, 1);
    Oc__Record__Event *events[EVENTS_MOST];
    oc_record *record = NULL;
    oc_error err = {0};
    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++) bytes[i] = (unsigned char)(i * 7 % 251);
    const oc_record_image image = {
        .tag = "a/picture", .description = "of *it*", .png = bytes, .size = size, .width = 20, .height = 10};
    assert_int_equal(oc_record_create(&record, f->folder, 0, 0, &err), OC_OK);
    assert_int_equal(oc_record_picture(record, 7, &image, &err), OC_OK);
    oc_record_destroy(&record);
    const int count = read_events(f, 0, events);
    assert_int_equal(count, 2 + 1);
    const Oc__Record__Summary__Value *value = value_of(events[2], "a/picture");
    assert_int_equal(events[2]->step, 7);
    assert_int_equal(value->value_case, OC__RECORD__SUMMARY__VALUE__VALUE_IMAGE);
    assert_int_equal(value->image->width, 20);
    assert_int_equal(value->image->height, 10);
    assert_int_equal(value->image->encoded_image_string.len, size);
    assert_memory_equal(value->image->encoded_image_string.data, bytes, size);
    assert_string_equal(value->metadata->plugin_data->plugin_name, "images");
    assert_string_equal(value->metadata->summary_description, "of *it*");
    free_events(events, count);
    free(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_tables, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_resume_cuts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_resume_is_seamless, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cut_anywhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_older_table, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_older_table, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_numbers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_foreign_table, set_up, tear_down),
        cmocka_unit_test(test_crc32c),
        cmocka_unit_test_setup_teardown(test_events, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hparams, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_picture, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
