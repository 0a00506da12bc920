/* links: fault-injection */
/* safetensors: round trip, every cut and every changed byte of a file of our own, bad headers, conversions, faults. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fault.h"
#include "base/file.h"
#include "base/memory.h"
#include "support/temporary.h"
#include "tensor/safetensors.h"

typedef struct place {
    char folder[256], path[300];
} place;

static int set_up(void **state) {
    static place p;
    test_temporary_create(p.folder, sizeof p.folder);
    snprintf(p.path, sizeof p.path, "%s/w.safetensors", p.folder);
    oc_fault_arm(0, 0);
    *state = &p;
    return 0;
}

static int tear_down(void **state) {
    test_temporary_remove(((place *)*state)->folder);
    return 0;
}

static const float weights[6] = {1.5f, -2.25f, 0, 3e-40f, INFINITY, 1e30f};
static const uint8_t codes[3] = {1, 2, 3};
static const int64_t steps[1] = {-5};

/* The small file of all tests: in an order that is not sorted, with an unaligned, an empty and a scalar tensor. */
static oc_status write_small(const char *path, oc_error *err) {
    const oc_safetensors_view tensors[] = {
        {"zeta.weight", OC_F32, oc_shape_make(2, 2, 3), (const uint8_t *)weights, sizeof weights},
        {"codes", OC_U8, oc_shape_make(1, 3), codes, sizeof codes},
        {"empty", OC_F32, oc_shape_make(2, 0, 7), NULL, 0},
        {"a \"step\" é", OC_I64, oc_shape_make(0, 0), (const uint8_t *)steps, sizeof steps},
    };
    const oc_metadata metadata[] = {
        {"model", "myresnet"}, {"classes", "[\"a\",\"b\"]"}, {"a\"xxh3", "x"}, {"empty", ""}};
    return oc_safetensors_write(path, tensors, 4, metadata, 4, err);
}

static void read_back(const char *path, char **data, size_t *size) {
    assert_int_equal(oc_file_read(data, size, path, 1 << 20, NULL), OC_OK);
}

static void test_round_trip(void **state) {
    place *p = *state;
    oc_error err;
    oc_safetensors *file;
    if (write_small(p->path, &err) != OC_OK) fail_msg("%s: %s", err.where, err.message);
    if (oc_safetensors_open(&file, p->path, &err) != OC_OK) fail_msg("%s: %s", err.where, err.message);
    assert_true(oc_safetensors_is_own(file));
    assert_int_equal(oc_safetensors_count(file), 4);
    static const char *const names[] = {"zeta.weight", "codes", "empty", "a \"step\" é"};
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(oc_safetensors_at(file, i)->name, names[i]);
        assert_ptr_equal(oc_safetensors_find(file, names[i]), oc_safetensors_at(file, i));
    }
    assert_null(oc_safetensors_find(file, "absent"));
    assert_null(oc_safetensors_find(file, "__metadata__"));
    const oc_safetensors_view *view = oc_safetensors_at(file, 0);
    oc_shape shape = oc_shape_make(2, 2, 3);
    assert_true(view->dtype == OC_F32 && oc_shape_equal(&view->shape, &shape) && view->size == sizeof weights);
    float values[6];
    assert_int_equal(oc_safetensors_read_f32(view, values, &err), OC_OK);
    assert_memory_equal(values, weights, sizeof weights);
    assert_memory_equal(oc_safetensors_at(file, 1)->data, codes, sizeof codes);
    assert_int_equal(oc_safetensors_read_f32(oc_safetensors_at(file, 1), values, &err), OC_E_FORMAT);
    assert_string_equal(err.where, "codes");
    assert_int_equal(oc_safetensors_at(file, 2)->size, 0);
    assert_int_equal(oc_safetensors_read_f32(oc_safetensors_at(file, 2), values, &err), OC_OK);
    assert_int_equal(oc_safetensors_at(file, 3)->shape.ndim, 0);
    assert_memory_equal(oc_safetensors_at(file, 3)->data, steps, sizeof steps);
    assert_string_equal(oc_safetensors_metadata(file, "model"), "myresnet");
    assert_string_equal(oc_safetensors_metadata(file, "classes"), "[\"a\",\"b\"]");
    assert_string_equal(oc_safetensors_metadata(file, "empty"), "");
    assert_string_equal(oc_safetensors_metadata(file, "format"), "ocelli");
    assert_null(oc_safetensors_metadata(file, "absent"));
    oc_safetensors_destroy(&file);
    assert_null(file);
    oc_safetensors_destroy(&file);
    oc_safetensors_destroy(NULL);
}

static void test_bytes_repeat_and_data_is_aligned(void **state) {
    place *p = *state;
    char *first, *second;
    size_t first_size, second_size;
    assert_int_equal(write_small(p->path, NULL), OC_OK);
    read_back(p->path, &first, &first_size);
    assert_int_equal(write_small(p->path, NULL), OC_OK);
    read_back(p->path, &second, &second_size);
    assert_int_equal(first_size, second_size);
    assert_memory_equal(first, second, first_size);
    uint64_t header;
    memcpy(&header, first, sizeof header);
    assert_int_equal((header + 8) % 64, 0);
    assert_int_equal(first_size, 8 + header + sizeof weights + sizeof codes + sizeof steps);
    assert_memory_equal(first + 8 + header, weights, sizeof weights);
    oc_free(first);
    oc_free(second);
}

static void test_nothing_to_write(void **state) {
    place *p = *state;
    oc_safetensors *file;
    assert_int_equal(oc_safetensors_write(p->path, NULL, 0, NULL, 0, NULL), OC_OK);
    assert_int_equal(oc_safetensors_open(&file, p->path, NULL), OC_OK);
    assert_true(oc_safetensors_is_own(file));
    assert_int_equal(oc_safetensors_count(file), 0);
    oc_safetensors_destroy(&file);
}

static void assert_refused(const void *data, size_t size, const char *what, size_t at, int value) {
    oc_safetensors *file;
    oc_error err = {0};
    oc_status status = oc_safetensors_open_memory(&file, data, size, "name", &err);
    if (status != OC_E_FORMAT)
        fail_msg("%s at byte %zu, value %d: status %d, %s", what, at, value, status, err.message);
    assert_null(file);
    assert_string_equal(err.where, "name");
    if (!strstr(err.message, "damaged, cut") || !strstr(err.message, "restore it from a copy"))
        fail_msg("the message does not help: %s", err.message);
}

static void test_every_changed_byte_is_refused(void **state) {
    place *p = *state;
    char *data;
    size_t size;
    assert_int_equal(write_small(p->path, NULL), OC_OK);
    read_back(p->path, &data, &size);
    for (size_t i = 0; i < size; i++) {
        char right = data[i];
        for (int value = 0; value < 256; value++) {
            if ((char)value == right) continue;
            data[i] = (char)value;
            assert_refused(data, size, "change", i, value);
        }
        data[i] = right;
    }
    oc_free(data);
}

static void test_every_cut_is_refused(void **state) {
    place *p = *state;
    char *data;
    size_t size;
    assert_int_equal(write_small(p->path, NULL), OC_OK);
    read_back(p->path, &data, &size);
    for (size_t i = 0; i < size; i++) {
        /* a copy of just that size, so that a sanitizer sees a read past its end */
        char *cut = malloc(i ? i : 1);
        assert_non_null(cut);
        memcpy(cut, data, i);
        assert_refused(cut, i, "cut", i, 0);
        free(cut);
    }
    char *longer = malloc(size + 1);
    assert_non_null(longer);
    memcpy(longer, data, size);
    longer[size] = 0;
    assert_refused(longer, size + 1, "one byte more", size, 0);
    free(longer);
    oc_free(data);
    /* the same through the mapping of a file */
    oc_safetensors *file;
    oc_error err;
    assert_int_equal(oc_file_write_atomic(p->path, "", 0, NULL), OC_OK);
    assert_int_equal(oc_safetensors_open(&file, p->path, &err), OC_E_FORMAT);
    assert_string_equal(err.where, p->path);
}

/* A file from a header and so many bytes of data, counting up from 0. */
static uint8_t *build(const char *header, size_t data_size, size_t *size) {
    size_t length = strlen(header);
    *size = 8 + length + data_size;
    uint8_t *file = malloc(*size);
    assert_non_null(file);
    for (size_t i = 0; i < 8; i++) file[i] = (uint8_t)((uint64_t)length >> 8 * i);
    for (size_t i = 0; i < length; i++) file[8 + i] = (uint8_t)header[i];
    for (size_t i = 0; i < data_size; i++) file[8 + length + i] = (uint8_t)i;
    return file;
}

static void test_foreign_files(void **state) {
    (void)state;
    static const struct {
        const char *header;
        size_t data_size, count;
    } good[] = {
        {"{}", 0, 0},
        {"{}   ", 0, 0},
        {"{\"__metadata__\":{}}", 0, 0},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}   ", 8, 1},
        {"{\"__metadata__\":{\"format\":\"pt\"},\"a\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]}}", 8, 1},
        /* named in another order than they lie; keys in another order; an empty one between */
        {"{\"b\":{\"shape\":[4],\"data_offsets\":[4,8],\"dtype\":\"U8\"},"
         "\"e\":{\"dtype\":\"F64\",\"shape\":[0],\"data_offsets\":[4,4]},"
         "\"a\":{\"dtype\":\"BOOL\",\"shape\":[2,2],\"data_offsets\":[0,4]}}",
         8, 3},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1],\"data_offsets\":[0,1]}}", 1, 1},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[0,9223372036854775807],\"data_offsets\":[0,0]}}", 0, 1},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        size_t size;
        oc_safetensors *file;
        oc_error err;
        uint8_t *data = build(good[i].header, good[i].data_size, &size);
        if (oc_safetensors_open_memory(&file, data, size, "foreign", &err) != OC_OK)
            fail_msg("%s: %s", good[i].header, err.message);
        assert_false(oc_safetensors_is_own(file));
        assert_int_equal(oc_safetensors_count(file), good[i].count);
        if (i == 5) {
            assert_int_equal(oc_safetensors_find(file, "b")->data[0], 4);
            assert_int_equal(oc_safetensors_find(file, "a")->data[0], 0);
        }
        oc_safetensors_destroy(&file);
        free(data);
    }
}

/* What people have instead is called by its name, with what to do. */
static void test_other_formats(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        const char *says;
    } files[] = {
        {"PK\3\4\0\0\0\0\0\0archive/data.pkl", 26, "PyTorch writes its checkpoints (.pth"},
        {"\x80\2}q\0(X\6\0\0\0weight", 16, "this is a pickle"},
        {"\x80\4\x95\0\0\0\0\0\0\0\0}\x94", 13, "this is a pickle"},
        {"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n", 66, "git lfs pull"},
        {"\n\n<!DOCTYPE html>\n<html lang=\"en\">", 34, "this is a web page"},
        {"<HTML><body>Not Found</body></HTML>", 35, "this is a web page"},
        {"\x08\x07\x12\x07pytorch\x1a\x05"
         "2.1.0:",
         19, "this is an ONNX model"},
        {"\x89HDF\r\n\x1a\n\0\0\0\0\0\0\0\0", 16, "HDF5"},
        {"\x93NUMPY\1\0v\0{'descr'", 18, "NumPy"},
        {"GGUF\3\0\0\0\0\0\0\0\0\0\0\0", 16, "GGUF"},
        {"<svg or anything else that is text>", 35, "not a safetensors file"},
        {"\x08\x07\x09\x07 no fields of ONNX", 21, "not a safetensors file"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        oc_safetensors *file;
        oc_error err;
        assert_int_equal(oc_safetensors_open_memory(&file, files[i].bytes, files[i].size, "weights", &err),
                         OC_E_FORMAT);
        assert_string_equal(err.where, "weights");
        if (!strstr(err.message, files[i].says)) fail_msg("\"%s\" has no \"%s\"", err.message, files[i].says);
        assert_true(strlen(err.message) < sizeof err.message - 1); /* not cut */
    }
}

static void test_strip(void **state) {
    (void)state;
    size_t size;
    oc_safetensors *file;
    bool stripped;
    uint8_t *data = build("{\"a.b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                          "\"a.c.d\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
                          2, &size);
    assert_int_equal(oc_safetensors_open_memory(&file, data, size, "file", NULL), OC_OK);
    assert_int_equal(oc_safetensors_strip(file, "b.", &stripped, NULL), OC_OK);
    assert_false(stripped);
    assert_int_equal(oc_safetensors_strip(file, "a.b", &stripped, NULL), OC_OK); /* nothing would be left of one */
    assert_false(stripped);
    assert_int_equal(oc_safetensors_strip(file, "a.", &stripped, NULL), OC_OK);
    assert_true(stripped);
    assert_non_null(oc_safetensors_find(file, "b"));
    assert_int_equal(oc_safetensors_find(file, "c.d")->data[0], 1);
    assert_null(oc_safetensors_find(file, "a.b"));
    assert_string_equal(oc_safetensors_at(file, 0)->name, "b");
    oc_safetensors_destroy(&file);
    free(data);
}

#define F32_2 "\"dtype\":\"F32\",\"shape\":[2]"

static void test_bad_headers(void **state) {
    (void)state;
    static const struct {
        const char *header;
        size_t data_size;
    } bad[] = {
        {"", 0},
        {"[]", 0},
        {" {}", 0},
        {"{", 0},
        {"{} x", 0},
        {"null", 0},
        {"{}", 1},         /* data of no tensor */
        {"{\"a\":1}", 0},  /* no object */
        {"{\"a\":{}}", 0}, /* nothing in it */
        {"{\"a\":{" F32_2 ",\"data_offsets\":[0,8]},\"a\":{" F32_2 ",\"data_offsets\":[8,16]}}", 16}, /* name twice */
        {"{\"a\":{" F32_2 "}}", 8},                                                                   /* no offsets */
        {"{\"a\":{" F32_2 ",\"data_offsets\":[0,8],\"more\":0}}", 8},                                 /* unknown key */
        {"{\"a\":{" F32_2 ",\"data_offsets\":[0]}}", 8},
        {"{\"a\":{" F32_2 ",\"data_offsets\":[0,8,8]}}", 8},
        {"{\"a\":{" F32_2 ",\"data_offsets\":[0,8.0]}}", 8},
        {"{\"a\":{" F32_2 ",\"data_offsets\":[-8,0]}}", 8},
        {"{\"a\":{" F32_2 ",\"data_offsets\":[8,0]}}", 8},
        {"{\"a\":{" F32_2 ",\"data_offsets\":[0,8]}}", 7}, /* beyond the end */
        {"{\"a\":{" F32_2 ",\"data_offsets\":[0,8]}}", 9}, /* a byte left over */
        {"{\"a\":{" F32_2 ",\"data_offsets\":[1,9]}}", 9}, /* a hole at the beginning */
        {"{\"a\":{" F32_2 ",\"data_offsets\":[0,7]}}", 7}, /* too few for the shape */
        {"{\"a\":{" F32_2 ",\"data_offsets\":[0,8]},\"b\":{" F32_2 ",\"data_offsets\":[0,8]}}", 8},   /* same place */
        {"{\"a\":{" F32_2 ",\"data_offsets\":[0,8]},\"b\":{" F32_2 ",\"data_offsets\":[4,12]}}", 12}, /* overlap */
        {"{\"a\":{" F32_2 ",\"data_offsets\":[0,8]},\"b\":{" F32_2 ",\"data_offsets\":[9,17]}}", 17}, /* hole */
        {"{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[8],\"data_offsets\":[0,8]}}", 8},
        {"{\"a\":{\"dtype\":\"f32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8},
        {"{\"a\":{\"dtype\":7,\"shape\":[2],\"data_offsets\":[0,8]}}", 8},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":2,\"data_offsets\":[0,8]}}", 8},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]}}", 8},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-2,-1],\"data_offsets\":[0,8]}}", 8},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[\"2\"],\"data_offsets\":[0,8]}}", 8},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1],\"data_offsets\":[0,1]}}", 1}, /* seven dimensions */
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387905],\"data_offsets\":[0,4]}}", 4},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,18446744073709551616]}}", 4},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[9223372036854775800,9223372036854775804]}}", 4},
        {"{\"__metadata__\":[]}", 0},
        {"{\"__metadata__\":{\"a\":1}}", 0},
        {"{\"__metadata__\":{\"a\":null}}", 0},
        {"{\"__metadata__\":{\"format\":\"ocelli\"}}", 0}, /* claims to be ours without a checksum */
        {"{\"__metadata__\":{\"xxh3\":\"0000000000000000\"}}", 0},
        {"{\"__metadata__\":{\"format\":\"pt\",\"xxh3\":\"0000000000000000\"}}", 0},
        {"{\"__metadata__\":{\"format\":\"ocelli\",\"xxh3\":\"0000000000000000\"}}", 0},
        {"{\"__metadata__\":{\"format\":\"ocelli\",\"xxh3\":\"\"}}", 0},
        {"{\"__metadata__\":{\"format\":\"ocelli\",\"xxh3\":\"00000000000000000\"}}", 0},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        size_t size;
        uint8_t *data = build(bad[i].header, bad[i].data_size, &size);
        assert_refused(data, size, bad[i].header, i, 0);
        free(data);
    }
    /* sizes of the header that lie */
    static const uint64_t lies[] = {3, 1, 1000, 100000001, UINT64_MAX, (uint64_t)1 << 63};
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        uint8_t file[10] = {0};
        memcpy(file, &lies[i], 8);
        file[8] = '{';
        file[9] = '}';
        assert_refused(file, sizeof file, "header size", i, 0);
    }
    assert_refused(NULL, 0, "nothing", 0, 0);
    /* deep nesting must not exhaust the stack */
    enum { DEPTH = 1 << 20 };
    char *deep = malloc(DEPTH + 8);
    assert_non_null(deep);
    memcpy(deep, "{\"a\":", 5);
    memset(deep + 5, '[', DEPTH);
    deep[DEPTH + 5] = '\0';
    size_t size;
    uint8_t *data = build(deep, 0, &size);
    assert_refused(data, size, "nesting", 0, 0);
    free(data);
    free(deep);
}

static void read_one(oc_dtype dtype, const void *data, float *dst, size_t count) {
    const oc_safetensors_view view = {"x", dtype, oc_shape_make(1, count), data, count * oc_dtype_size(dtype)};
    assert_int_equal(oc_safetensors_read_f32(&view, dst, NULL), OC_OK);
}

static void test_conversions(void **state) {
    (void)state;
    static const struct {
        uint16_t half;
        double value;
    } f16[] = {
        {0x0000, 0.0},       {0x3C00, 1.0},      {0xC000, -2.0},           {0x7BFF, 65504.0},        {0x0400, 0x1p-14},
        {0x0001, 0x1p-24},   {0x8001, -0x1p-24}, {0x03FF, 1023 * 0x1p-24}, {0x3555, 0.333251953125}, {0x7C00, INFINITY},
        {0xFC00, -INFINITY},
    };
    /* one byte before the data, so that it is unaligned */
    uint8_t bytes[9];
    float value;
    for (size_t i = 0; i < sizeof f16 / sizeof *f16; i++) {
        memcpy(bytes + 1, &f16[i].half, 2);
        read_one(OC_F16, bytes + 1, &value, 1);
        assert_true(value == (float)f16[i].value);
    }
    uint16_t half = 0x8000;
    read_one(OC_F16, &half, &value, 1);
    assert_true(value == 0 && signbit(value));
    half = 0x7E01;
    read_one(OC_F16, &half, &value, 1);
    assert_true(isnan(value));
    /* all normal halves by the definition of the format */
    for (uint32_t bits = 0x0400; bits < 0x7C00; bits++) {
        half = (uint16_t)bits;
        read_one(OC_F16, &half, &value, 1);
        assert_true(value == ldexpf(1024.0f + (float)(bits & 0x3FF), (int)(bits >> 10) - 25));
    }
    static const struct {
        uint16_t half;
        double value;
    } bf16[] = {
        {0x0000, 0.0},      {0x3F80, 1.0},        {0xC000, -2.0},     {0x4049, 3.140625},
        {0x0001, 0x1p-133}, {0x7F7F, 0x1.FEp127}, {0x7F80, INFINITY}, {0xFF80, -INFINITY},
    };
    for (size_t i = 0; i < sizeof bf16 / sizeof *bf16; i++) {
        memcpy(bytes + 1, &bf16[i].half, 2);
        read_one(OC_BF16, bytes + 1, &value, 1);
        assert_true(value == (float)bf16[i].value);
    }
    half = 0x7FC0;
    read_one(OC_BF16, &half, &value, 1);
    assert_true(isnan(value));
    static const double doubles[] = {0.1, -1e-45, 1e300, 3};
    float floats[4];
    read_one(OC_F64, doubles, floats, 4);
    assert_true(floats[0] == 0.1f && floats[1] == -1e-45f && isinf(floats[2]) && floats[3] == 3);
}

static void test_writer_refuses(void **state) {
    place *p = *state;
    oc_error err;
    const oc_safetensors_view good = {"a", OC_U8, oc_shape_make(1, 3), codes, 3};
    const oc_safetensors_view twice[] = {good, good};
    assert_int_equal(oc_safetensors_write(p->path, twice, 2, NULL, 0, &err), OC_E_USAGE);
    static const char *const reserved[] = {"format", "xxh3"};
    for (size_t i = 0; i < 2; i++) {
        const oc_metadata metadata = {reserved[i], "x"};
        assert_int_equal(oc_safetensors_write(p->path, &good, 1, &metadata, 1, &err), OC_E_USAGE);
        assert_string_equal(err.where, reserved[i]);
    }
    const oc_metadata repeated[] = {{"k", "1"}, {"k", "2"}}, broken = {"k", "\xff"};
    assert_int_equal(oc_safetensors_write(p->path, &good, 1, repeated, 2, &err), OC_E_USAGE);
    assert_int_equal(oc_safetensors_write(p->path, &good, 1, &broken, 1, &err), OC_E_FORMAT);
    oc_safetensors_view wrong = good;
    wrong.size = 4;
    assert_int_equal(oc_safetensors_write(p->path, &wrong, 1, NULL, 0, &err), OC_E_MISMATCH);
    wrong = good;
    wrong.name = "__metadata__";
    assert_int_equal(oc_safetensors_write(p->path, &wrong, 1, NULL, 0, &err), OC_E_USAGE);
    assert_int_equal(test_folder_entries(p->folder), 0);
    oc_safetensors *file;
    assert_int_equal(oc_safetensors_open(&file, p->path, &err), OC_E_NOT_FOUND);
    assert_null(file);
    assert_int_equal(oc_safetensors_open(&file, p->folder, &err), OC_E_FORMAT);
}

static void test_fault_at_every_write(void **state) {
    place *p = *state;
    oc_error err;
    static const float large[100000];
    const oc_safetensors_view tensors[] = {
        {"large", OC_F32, oc_shape_make(1, 100000), (const uint8_t *)large, sizeof large},
        {"small", OC_U8, oc_shape_make(1, 3), codes, 3},
    };
    assert_int_equal(write_small(p->path, &err), OC_OK);
    long nth = 1;
    for (;; nth++) {
        oc_fault_arm(nth, nth % 2 ? ENOSPC : EIO);
        oc_status status = oc_safetensors_write(p->path, tensors, 2, NULL, 0, &err);
        oc_fault_arm(0, 0);
        oc_safetensors *file;
        assert_int_equal(oc_safetensors_open(&file, p->path, NULL), OC_OK);
        /* the old generation while it fails, the new one when it does not */
        assert_int_equal(oc_safetensors_count(file), status == OC_OK ? 2 : 4);
        oc_safetensors_destroy(&file);
        assert_int_equal(test_folder_entries(p->folder), 1);
        if (status == OC_OK) break;
        assert_int_equal(status, OC_E_IO);
        assert_string_equal(err.where, p->path);
    }
    assert_in_range(nth, 8, 12); /* open, three writes, sync, rename, open and sync of the folder; then none fails */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_round_trip),           TEST(test_bytes_repeat_and_data_is_aligned),
        TEST(test_nothing_to_write),     TEST(test_every_changed_byte_is_refused),
        TEST(test_every_cut_is_refused), TEST(test_foreign_files),
        TEST(test_other_formats),        TEST(test_strip),
        TEST(test_bad_headers),          TEST(test_conversions),
        TEST(test_writer_refuses),       TEST(test_fault_at_every_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
