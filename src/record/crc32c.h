/* CRC-32C, the checksum of TensorBoard's event files. */
#ifndef OC_RECORD_CRC32C_H
#define OC_RECORD_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* CRC-32C (Castagnoli; RFC 3720, appendix B.4) of `size` bytes. */
uint32_t oc_crc32c(const void *data, size_t size);

/* The same, rotated and offset as TFRecord stores it, so that a checksum of data holding checksums stays useful. */
uint32_t oc_crc32c_masked(const void *data, size_t size);

#endif
