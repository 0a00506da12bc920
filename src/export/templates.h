/* What exports write that is no number: files of this room, compiled in as bytes by cmake/embed.cmake, with a NUL
 * behind them that the size does not count. */
#ifndef OC_EXPORT_TEMPLATES_H
#define OC_EXPORT_TEMPLATES_H

#include <stddef.h>

/* timm/load.py, as it is. */
extern const unsigned char oc_template_load_py[];
extern const size_t oc_template_load_py_size;

/* Of certificate/: check.py, as it is; check.c.in and README.md.in, with {{fields}} that certificate/write.c fills. */
extern const unsigned char oc_template_check_py[];
extern const size_t oc_template_check_py_size;
extern const unsigned char oc_template_check_c[];
extern const unsigned char oc_template_certificate_readme[];

#endif
