/* One tag of EXIF data, read with every offset checked. A library for it (libexif) would be more code, and more to
 * trust, than this. */
#include "data/image/exif.h"

#include <stdbool.h>
#include <string.h>

#define TAG_ORIENTATION 0x0112
#define TYPE_SHORT 3
#define ENTRY_SIZE 12

static uint32_t number(const uint8_t *bytes, int count, bool little) {
    uint32_t value = 0;
    for (int i = 0; i < count; i++) value = value << 8 | bytes[little ? count - 1 - i : i];
    return value;
}

int oc_exif_orientation(const uint8_t *data, size_t size) {
    if (size >= 6 && memcmp(data, "Exif\0\0", 6) == 0) {
        data += 6;
        size -= 6;
    }
    if (size < 8 || (memcmp(data, "II*\0", 4) != 0 && memcmp(data, "MM\0*", 4) != 0)) return 1;
    const bool little = data[0] == 'I';
    const size_t directory = number(data + 4, 4, little);
    if (directory > size - 2) return 1;
    size_t count = number(data + directory, 2, little);
    const uint8_t *entry = data + directory + 2;
    const size_t room = (size - directory - 2) / ENTRY_SIZE;
    for (count = count < room ? count : room; count > 0; count--, entry += ENTRY_SIZE) {
        if (number(entry, 2, little) != TAG_ORIENTATION || number(entry + 2, 2, little) != TYPE_SHORT) continue;
        const uint32_t value = number(entry + 8, 2, little);
        return value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}
