#include "support/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compute/internal.h"
#include "support/levels.h"

int test_engine_setup(void **state) {
    static test_engine e;
    assert_int_equal(oc_team_create(&e.team, 2, NULL), OC_OK);
    oc_team_enter(e.team);
    assert_int_equal(oc_engine_create(&e.engine, e.team, NULL), OC_OK);
    *state = &e;
    return 0;
}

void test_engine_widen(oc_engine *engine) {
    for (int i = 0; i < OC_STORAGES; i++) engine->kernels[i] = test_level_wide((oc_storage)i);
}

int test_engine_teardown(void **state) {
    test_engine *e = *state;
    oc_engine_destroy(&e->engine);
    oc_team_destroy(&e->team);
    return 0;
}
