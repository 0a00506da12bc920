/* Every entry is looked at once, in oc_zip_directory_find, so that walking over them needs no check. */
#define _GNU_SOURCE 1
#include "data/zip_directory.h"

#include <string.h>

#include "base/text.h"

#define END_SIZE 22     /* of the record at the archive's end, without a comment */
#define END_ROOM 65535  /* of a comment behind it, at most */
#define END64_SIZE 56   /* of Zip64's */
#define LOCATOR_SIZE 20 /* of what tells where that is */
#define ENTRY_SIZE 46   /* of an entry, without name, extra fields and comment */
#define ENTRY_OFFSET 42 /* where it says where its member begins */
#define LOCAL_SIZE 30   /* of what precedes a member's bytes, without name and extra fields */
#define HUGE16 0xffffU  /* the true number is elsewhere, in what Zip64 has */
#define HUGE32 0xffffffffU
#define UNICODE_PATH 0x7075 /* an extra field */
#define UTF8 0x800U         /* an entry's flag: its name and comment are (4.4.4) */

static uint32_t u16(const uint8_t *at) {
    return (uint32_t)at[0] | (uint32_t)at[1] << 8;
}

static uint32_t u32(const uint8_t *at) {
    return u16(at) | u16(at + 2) << 16;
}

static uint64_t u64(const uint8_t *at) {
    return u32(at) | (uint64_t)u32(at + 4) << 32;
}

/* An entry's bytes in all. */
static size_t entry_size(const uint8_t *at) {
    return ENTRY_SIZE + u16(at + 28) + u16(at + 30) + u16(at + 32);
}

/* Whether extra fields fill their place, and none holds another name. */
static bool extra_is_common(const uint8_t *at, size_t size) {
    while (size >= 4 && u16(at) != UNICODE_PATH && u16(at + 2) <= size - 4) {
        const size_t field = 4 + u16(at + 2);
        at += field;
        size -= field;
    }
    return size == 0;
}

/* Whether a name and a comment that are said to be UTF-8 are. */
static bool text_is_common(const uint8_t *at) {
    const uint8_t *name = at + ENTRY_SIZE, *comment = name + u16(at + 28) + u16(at + 30);
    return !(u16(at + 8) & UTF8) ||
           (oc_text_is_utf8((const char *)name, u16(at + 28)) && oc_text_is_utf8((const char *)comment, u16(at + 32)));
}

/* Whether an entry of the common kind is there whole; its member begins before `directory`. */
static bool entry_is_common(const uint8_t *at, size_t room, uint32_t directory) {
    if (room < ENTRY_SIZE || memcmp(at, "PK\1\2", 4) != 0 || entry_size(at) > room) return false;
    const size_t name = u16(at + 28);
    const bool here = u16(at + 34) == 0 && u32(at + ENTRY_OFFSET) < directory;
    return here && u32(at + 20) != HUGE32 && u32(at + 24) != HUGE32 && name > 0 && !memchr(at + ENTRY_SIZE, 0, name) &&
           extra_is_common(at + ENTRY_SIZE + name, u16(at + 30)) && text_is_common(at);
}

/* Where the central directory lies, and its number of entries. */
typedef struct extent {
    uint64_t offset, size, count;
    size_t end; /* what follows it */
} extent;

/* By the record at the archive's end, `place`; false where the numbers in it are none. */
static bool extent_of_end(extent *out, const uint8_t *data, size_t place) {
    const uint8_t *end = data + place;
    if (memcmp(end, "PK\5\6", 4) != 0 || u32(end + 4) != 0 || u16(end + 8) != u16(end + 10) || u16(end + 20) != 0)
        return false;
    *out = (extent){u32(end + 16), u32(end + 12), u16(end + 10), place};
    return true;
}

/* By Zip64's record, which a locator before that at `place` points to: of more than 65,534 members. */
static bool extent_of_zip64(extent *out, const uint8_t *data, size_t place) {
    if (place < LOCATOR_SIZE + END64_SIZE) return false;
    const size_t record = place - LOCATOR_SIZE - END64_SIZE;
    const uint8_t *locator = data + place - LOCATOR_SIZE, *end = data + record;
    if (memcmp(locator, "PK\6\7", 4) != 0 || u32(locator + 4) != 0 || u64(locator + 8) != record ||
        u32(locator + 16) != 1 || memcmp(end, "PK\6\6", 4) != 0 || u64(end + 4) != END64_SIZE - 12 ||
        u64(end + 16) != 0 || u64(end + 24) != u64(end + 32))
        return false;
    *out = (extent){u64(end + 48), u64(end + 40), u64(end + 32), record};
    return true;
}

/* Whether something in it reads like the beginning of the record at an archive's end. */
static bool holds_end(const uint8_t *data, size_t size) {
    return memmem(data, size, "PK\5\6", 4) != NULL;
}

/* Whether there is one more such, in a zip in the zip say, where a comment would let the record begin. */
static bool ends_twice(const oc_mapping *file) {
    const size_t before = file->size - END_SIZE, room = before < END_ROOM ? before : END_ROOM;
    return holds_end(file->data + before - room, room + 3);
}

bool oc_zip_directory_find(oc_zip_cursor *out, const oc_mapping *file) {
    extent all;
    if (file->size < END_SIZE || ends_twice(file) || !extent_of_end(&all, file->data, file->size - END_SIZE))
        return false;
    const bool counted = all.count != HUGE16 && all.offset != HUGE32 && all.size != HUGE32;
    if (!counted && !extent_of_zip64(&all, file->data, file->size - END_SIZE)) return false;
    if (all.offset > all.end || all.size != all.end - all.offset || all.offset >= HUGE32) return false;
    const uint8_t *first = file->data + all.offset, *end = file->data + all.end, *at = first;
    uint64_t count = 0;
    for (; at < end; at += entry_size(at), count++)
        if (!entry_is_common(at, (size_t)(end - at), (uint32_t)all.offset)) return false;
    *out = (oc_zip_cursor){first, count};
    return count == all.count;
}

oc_zip_entry oc_zip_directory_next(oc_zip_cursor *cursor) {
    const uint8_t *at = cursor->at;
    cursor->at += entry_size(at);
    cursor->left--;
    return (oc_zip_entry){(const char *)at + ENTRY_SIZE, u16(at + 28), u32(at + 24), u32(at + 16), at};
}

/* ---- one member ---- */

static void put32(uint8_t *at, uint32_t value) {
    for (int i = 0; i < 4; i++, value >>= 8) at[i] = (uint8_t)value;
}

/* The bytes from where a member begins to where it should end, which is before its record at most. */
static size_t member_size(const uint8_t *member, const uint8_t *record) {
    const uint64_t room = (uint64_t)(record - member); /* >= 1; whatever is short of LOCAL_SIZE the record makes up */
    const uint64_t size = (uint64_t)LOCAL_SIZE + u16(member + 26) + u16(member + 28) + u32(record + 20);
    return (size_t)(size < room ? size : room);
}

bool oc_zip_directory_single(oc_zip_single *out, const oc_mapping *file, const uint8_t *record) {
    static const uint8_t first[4] = {0};
    const uint8_t *member = file->data + u32(record + ENTRY_OFFSET);
    const size_t size = member_size(member, record), whole = entry_size(record);
    const bool located = memcmp(record + whole - LOCATOR_SIZE, "PK\6\7", 4) == 0;
    if (located || holds_end(member, size) || holds_end(record, whole)) return false;
    *out = (oc_zip_single){.part = {{member, size},
                                    {record, ENTRY_OFFSET},
                                    {first, sizeof first}, /* where the member begins in this archive */
                                    {record + ENTRY_SIZE, whole - ENTRY_SIZE},
                                    {out->end, sizeof out->end}},
                           .end = {'P', 'K', 5, 6, [8] = 1, [10] = 1}};
    put32(out->end + 12, (uint32_t)whole);
    put32(out->end + 16, (uint32_t)size);
    return true;
}
