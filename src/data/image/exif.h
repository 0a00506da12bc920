/* The orientation that EXIF data state. */
#ifndef OC_DATA_EXIF_H
#define OC_DATA_EXIF_H

#include <stddef.h>
#include <stdint.h>

/* The orientation in `size` bytes of EXIF data, a TIFF header and what follows it, with or without "Exif\0\0" before:
 * 1 … 8 (Exif 2.32, tag 0x0112), 1 also where there is none or the data are damaged: an image is not worth less for
 * them. */
int oc_exif_orientation(const uint8_t *data, size_t size);

#endif
