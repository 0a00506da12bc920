/* What exports write that is no number: files of this room, compiled in as bytes by cmake/embed.cmake. */
#ifndef OC_EXPORT_TEMPLATES_H
#define OC_EXPORT_TEMPLATES_H

#include <stddef.h>

/* timm/load.py, as it is. */
extern const unsigned char oc_template_load_py[];
extern const size_t oc_template_load_py_size;

#endif
