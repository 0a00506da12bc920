/* Reading reference values. */
#include "support/reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

json_t *reference_read(const char *name) {
    char path[512];
    json_t *json = NULL;
    oc_error err = {0};
    snprintf(path, sizeof path, "%s/%s.json", OC_TEST_DATA, name);
    if (oc_json_read(&json, path, &err) != OC_OK) fail_msg("%s: %s", path, err.message);
    return json;
}

const json_t *reference_member(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    if (!value) fail_msg("the reference lacks '%s'", key);
    return value;
}

double reference_number(const json_t *value) {
    assert_true(json_is_number(value));
    return json_number_value(value);
}

void reference_only_keys(const json_t *object, const char *const *known) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value) {
        size_t i = 0;
        while (known[i] && strcmp(known[i], key) != 0) i++;
        if (!known[i]) fail_msg("the reference has '%s', which this test does not check", key);
    }
}
