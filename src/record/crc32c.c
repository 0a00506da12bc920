/* CRC-32C bit by bit: an event is some sixty bytes a step, which a table would not speed up noticeably. */
#include "record/crc32c.h"

uint32_t oc_crc32c(const void *data, size_t size) {
    const uint8_t *bytes = data;
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (0x82F63B78u & (0u - (crc & 1u)));
    }
    return ~crc;
}

uint32_t oc_crc32c_masked(const void *data, size_t size) {
    uint32_t crc = oc_crc32c(data, size);
    return ((crc >> 15) | (crc << 17)) + 0xA282EAD8u;
}
