/* Reading reference values of tests/data so that nothing in them is passed over. Each fails the test where it cannot.
 */
#ifndef OC_TESTS_SUPPORT_REFERENCE_H
#define OC_TESTS_SUPPORT_REFERENCE_H

#include "base/json.h"

/* tests/data/<name>.json, to be released with json_decref. */
json_t *reference_read(const char *name);
/* A member that must be there. */
const json_t *reference_member(const json_t *object, const char *key);
/* The value of a number. */
double reference_number(const json_t *value);
/* Every key of `object` is one of the NULL-terminated list `known`. */
void reference_only_keys(const json_t *object, const char *const *known);

#endif
