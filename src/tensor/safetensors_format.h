/* What the reader and the writer of safetensors files share. */
#ifndef OC_TENSOR_SAFETENSORS_FORMAT_H
#define OC_TENSOR_SAFETENSORS_FORMAT_H

#include <stddef.h>

#define OC_SAFETENSORS_PREFIX ((size_t)8)                      /* bytes of the header's size, little-endian */
#define OC_SAFETENSORS_HEADER_MOST ((size_t)100 * 1000 * 1000) /* as in the original implementation */
#define OC_SAFETENSORS_METADATA "__metadata__"
#define OC_SAFETENSORS_FORMAT_KEY "format"
#define OC_SAFETENSORS_FORMAT "ocelli"
#define OC_SAFETENSORS_HASH_KEY "xxh3"
#define OC_SAFETENSORS_HASH_DIGITS ((size_t)16)
/* How the header of every file of our own begins; the digits of the checksum follow. */
#define OC_SAFETENSORS_BEGINNING                                                                                       \
    "{\"" OC_SAFETENSORS_METADATA "\":{\"" OC_SAFETENSORS_FORMAT_KEY "\":\"" OC_SAFETENSORS_FORMAT                     \
    "\",\"" OC_SAFETENSORS_HASH_KEY "\":\""

#endif
