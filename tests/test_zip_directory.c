/* The central directory of a zip, made here byte by byte: what is in it, and that whatever is not of the common kind
 * is left to libzip. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "data/zip_directory.h"

#define OFFSET 64 /* of the directory: members are not looked at */
#define ENTRY 46
#define FIRST "a/folder/1.jpg"
#define FIRST_LENGTH (sizeof FIRST - 1)

typedef struct archive {
    uint8_t data[600];
    size_t size, end; /* end: of the directory */
    uint32_t count;
} archive;

static void put(archive *a, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; i++, value >>= 8) a->data[a->size++] = (uint8_t)value;
}

static void put_text(archive *a, const char *text, size_t size) {
    memcpy(a->data + a->size, text, size);
    a->size += size;
}

/* A member of `size` bytes and a checksum of 7 × that, with one extra field and a comment. */
static void put_entry(archive *a, const char *name, uint32_t size) {
    put_text(a, "PK\1\2", 4);
    put(a, 0, 12);
    put(a, 7 * size, 4);
    put(a, size, 4);
    put(a, size, 4);
    put(a, strlen(name), 2);
    put(a, 6, 2);
    put(a, 3, 2);
    put(a, 0, 8);
    put(a, 5, 4);
    put_text(a, name, strlen(name));
    put_text(a, "UT\2\0..", 6);
    put_text(a, "???", 3);
    a->count++;
}

static archive make(bool zip64) {
    archive a = {.size = OFFSET};
    put_entry(&a, FIRST, 10);
    put_entry(&a, "b", 0);
    put_entry(&a, "c/", 70000);
    const size_t size = a.size - OFFSET;
    a.end = a.size;
    if (zip64) {
        put_text(&a, "PK\6\6", 4);
        put(&a, 44, 8);
        put(&a, 0, 12);
        put(&a, a.count, 8);
        put(&a, a.count, 8);
        put(&a, size, 8);
        put(&a, OFFSET, 8);
        put_text(&a, "PK\6\7\0\0\0", 8);
        put(&a, a.end, 8);
        put(&a, 1, 4);
    }
    put_text(&a, "PK\5\6\0\0\0", 8);
    put(&a, a.count, 2);
    put(&a, a.count, 2);
    put(&a, zip64 ? UINT32_MAX : size, 4);
    put(&a, zip64 ? UINT32_MAX : OFFSET, 4);
    put(&a, 0, 2);
    return a;
}

/* In memory that ends where the archive does, which the caller frees. */
static bool find(oc_zip_cursor *cursor, const archive *a, uint8_t **own) {
    *own = malloc(a->size ? a->size : 1);
    assert_non_null(*own);
    memcpy(*own, a->data, a->size);
    return oc_zip_directory_find(cursor, &(oc_mapping){*own, a->size});
}

/* The parts of an archive of one member, put together; freed by the caller. */
static oc_mapping joined(const oc_zip_single *single) {
    size_t size = 0;
    for (int i = 0; i < OC_ZIP_PARTS; i++) size += single->part[i].size;
    uint8_t *data = malloc(size), *at = data;
    assert_non_null(data);
    for (int i = 0; i < OC_ZIP_PARTS; at += single->part[i++].size)
        memcpy(at, single->part[i].data, single->part[i].size);
    return (oc_mapping){data, size};
}

static bool is_common(const archive *a) {
    oc_zip_cursor cursor;
    uint8_t *own;
    const bool found = find(&cursor, a, &own);
    /* Whatever is found can be walked over. */
    for (size_t sum = 0; found && cursor.left > 0;) {
        const oc_zip_entry entry = oc_zip_directory_next(&cursor);
        for (size_t i = 0; i < entry.length; i++) sum += (uint8_t)entry.name[i];
        oc_zip_single single;
        if (oc_zip_directory_single(&single, &(oc_mapping){own, a->size}, entry.record))
            free((void *)(uintptr_t)joined(&single).data);
        assert_true(sum > 0);
    }
    free(own);
    return found;
}

static void test_entries(void **state) {
    (void)state;
    static const char *const names[] = {FIRST, "b", "c/"};
    static const uint32_t sizes[] = {10, 0, 70000};
    for (int zip64 = 0; zip64 < 2; zip64++) {
        const archive a = make(zip64);
        oc_zip_cursor cursor;
        uint8_t *own;
        assert_true(find(&cursor, &a, &own));
        assert_int_equal(cursor.left, 3);
        for (int i = 0; i < 3; i++) {
            const oc_zip_entry entry = oc_zip_directory_next(&cursor);
            assert_int_equal(entry.length, strlen(names[i]));
            assert_memory_equal(entry.name, names[i], entry.length);
            assert_int_equal(entry.size, sizes[i]);
            assert_int_equal(entry.crc, 7 * sizes[i]);
        }
        assert_int_equal(cursor.left, 0);
        free(own);
    }
}

/* An archive with one byte changed is not of the common kind. */
static void refuse_with(bool zip64, size_t at, uint8_t value) {
    archive a = make(zip64);
    assert_int_not_equal(a.data[at], value);
    a.data[at] = value;
    if (is_common(&a)) fail_msg("byte %zu as %d (zip64: %d) is taken", at, value, zip64);
}

static void test_uncommon(void **state) {
    (void)state;
    const archive plain = make(false), large = make(true);
    const size_t end = plain.size - 22, extra = OFFSET + ENTRY + FIRST_LENGTH;
    refuse_with(false, OFFSET + 2, 9);         /* no entry */
    refuse_with(false, OFFSET + 34, 1);        /* on another disk */
    refuse_with(false, OFFSET + 42, OFFSET);   /* a member in the directory */
    refuse_with(false, OFFSET + ENTRY + 1, 0); /* a name with a 0 in it */
    refuse_with(false, extra + 2, 3);          /* a field longer than its place */
    refuse_with(false, extra + 2, 1);          /* and shorter */
    refuse_with(false, end + 4, 1);            /* of several disks */
    refuse_with(false, end + 8, 2);
    refuse_with(false, end + 12, (uint8_t)(plain.end - OFFSET - 1));
    refuse_with(false, end + 16, OFFSET + 1);
    refuse_with(false, end + 20, 1); /* a comment */
    refuse_with(true, large.end + 4, 45);
    refuse_with(true, large.end + 24, 2);
    refuse_with(true, large.end + 56 + 8, 0);
    archive a = make(false);
    a.data[end + 8] = a.data[end + 10] = 2; /* fewer than there are */
    assert_false(is_common(&a));
    a = make(false);
    a.data[extra] = 0x75, a.data[extra + 1] = 0x70; /* another name in Unicode */
    assert_false(is_common(&a));
    a = make(false);
    memset(a.data + OFFSET + 24, 0xff, 4); /* a size in Zip64's field */
    assert_false(is_common(&a));
    a = make(false);
    memcpy(a.data + OFFSET - 4, "PK\5\6", 4); /* a second end, of a zip in the zip */
    assert_false(is_common(&a));
}

/* A name and a comment that are said to be UTF-8. */
static void test_text(void **state) {
    (void)state;
    const size_t name = OFFSET + ENTRY, comment = name + FIRST_LENGTH + 6;
    archive a = make(false);
    memcpy(a.data + name, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x91\x81", 9);
    a.data[OFFSET + 9] = 8;
    assert_true(is_common(&a));
    a.data[comment] = 0xc3; /* with nothing behind it that belongs to it */
    assert_false(is_common(&a));
    a.data[comment] = '?';
    a.data[name + 1] = '?';
    assert_false(is_common(&a));
    a.data[OFFSET + 9] = 0; /* in what encoding is not said */
    assert_true(is_common(&a));
    a = make(false);
    a.data[OFFSET + 9] = 8;
    a.data[name + 1] = '\n';
    assert_false(is_common(&a));
}

/* ---- one member ---- */

/* The n-th entry's record in a copy of an archive, whose members all begin at 5. */
static const uint8_t *record_of(oc_mapping *file, uint8_t **own, archive *a, int n) {
    oc_zip_cursor cursor;
    oc_zip_entry entry = {0};
    assert_true(find(&cursor, a, own));
    for (int i = 0; i <= n; i++) entry = oc_zip_directory_next(&cursor);
    *file = (oc_mapping){*own, a->size};
    return entry.record;
}

static void test_single(void **state) {
    (void)state;
    /* Of members of 10, 0 and 70,000 bytes, behind 30 and a name of 2 and extra fields of 3; the last has no end. */
    static const size_t sizes[] = {45, 35, OFFSET - 5 + 2 * (ENTRY + 9) + FIRST_LENGTH + 1};
    for (int n = 0; n < 3; n++) {
        archive a = make(false);
        oc_zip_single single;
        oc_zip_cursor cursor;
        oc_mapping file;
        uint8_t *own;
        for (int i = 0; i < OFFSET; i++) a.data[i] = (uint8_t)i;
        a.data[5 + 26] = 2, a.data[5 + 27] = 0, a.data[5 + 28] = 3, a.data[5 + 29] = 0;
        const uint8_t *record = record_of(&file, &own, &a, n);
        assert_true(oc_zip_directory_single(&single, &file, record));
        const oc_mapping one = joined(&single);
        assert_int_equal(single.part[0].size, sizes[n]);
        assert_memory_equal(one.data, own + 5, sizes[n]);
        assert_true(oc_zip_directory_find(&cursor, &one));
        assert_int_equal(cursor.left, 1);
        const oc_zip_entry entry = oc_zip_directory_next(&cursor);
        assert_ptr_equal(entry.record, one.data + sizes[n]);
        assert_memory_equal(entry.record, record, ENTRY - 4);
        assert_memory_equal(entry.record + ENTRY - 4, "\0\0\0", 4);
        assert_memory_equal(entry.name, record + ENTRY, entry.length + 9);
        free((void *)(uintptr_t)one.data);
        free(own);
    }
}

/* What could be taken for its end, in the member or in what the directory says of it. */
static void test_single_ends_twice(void **state) {
    (void)state;
    static const struct {
        size_t at;
        const char *mark;
        bool is_single;
    } cases[] = {{OFFSET - 24, "PK\5\6", false},
                 {OFFSET - 24, "PK\5\7", true},
                 {OFFSET + ENTRY + 1, "PK\5\6", false},
                 {OFFSET + ENTRY + FIRST_LENGTH + 9 - 20, "PK\6\7", false},
                 {OFFSET + ENTRY + 1, "PK\6\7", true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        archive a = make(false);
        oc_zip_single single;
        oc_mapping file;
        uint8_t *own;
        const uint8_t *record = record_of(&file, &own, &a, 0);
        memcpy(own + cases[i].at, cases[i].mark, 4); /* as if far from the archive's end, which has but one record */
        if (oc_zip_directory_single(&single, &file, record) != cases[i].is_single) fail_msg("case %zu", i);
        free(own);
    }
}

/* Cut off anywhere, or with any byte changed, nothing is read beyond the end. */
static void test_damage(void **state) {
    (void)state;
    for (int zip64 = 0; zip64 < 2; zip64++) {
        const archive whole = make(zip64);
        archive a = whole;
        for (a.size = 0; a.size < whole.size; a.size++) assert_false(is_common(&a));
        for (size_t at = 0; at < whole.size; at++)
            for (int value = 0; value < 256; value++) {
                a.data[at] = (uint8_t)value;
                is_common(&a);
                a.data[at] = whole.data[at];
            }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries), cmocka_unit_test(test_uncommon),          cmocka_unit_test(test_text),
        cmocka_unit_test(test_single),  cmocka_unit_test(test_single_ends_twice), cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
