/* Files that people take for weights in safetensors' format, and what they are. */
#ifndef OC_TENSOR_FOREIGN_H
#define OC_TENSOR_FOREIGN_H

#include <stddef.h>

/* What the bytes begin as and what to do about it, a sentence for an error message; static. NULL: nothing known. */
const char *oc_foreign_file(const void *data, size_t size);

#endif
