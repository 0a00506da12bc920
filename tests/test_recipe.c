/* The recipe: defaults, text of every key, YAML with every kind of mistake and its line, and the round trip. */
#define _POSIX_C_SOURCE 200809L
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "recipe/recipe.h"
#include "record/record.h"
#include "support/bytes.h"
#include "support/images.h"
#include "support/temporary.h"

static oc_recipe *new_recipe(void) {
    oc_recipe *recipe = NULL;
    oc_error error = {0};
    assert_int_equal(oc_recipe_create(&recipe, &error), OC_OK);
    return recipe;
}

static oc_status load(oc_recipe *recipe, const char *yaml, oc_error *error) {
    *error = (oc_error){0};
    return oc_recipe_load_memory(recipe, yaml, strlen(yaml), "r.yaml", error);
}

/* The reference recipe's constants. */
static void test_defaults(void **state) {
    (void)state;
    oc_recipe *recipe = new_recipe();
    oc_recipe_values v = oc_recipe_resolve(recipe);
    assert_string_equal(v.model_name, "myresnet-small");
    assert_int_equal(v.size, 64);
    assert_true(v.augment && v.shuffle);
    assert_true(v.holdout == 0);
    const oc_image_options image = OC_IMAGE_OPTIONS_DEFAULT;
    assert_true(v.exif == image.exif);
    assert_memory_equal(v.background, image.background, 3);
    assert_int_equal(v.epochs, 40);
    assert_int_equal(v.batch_size, 64);
    assert_int_equal(v.seed, 0);
    assert_string_equal(v.precision, "fp32");
    assert_true(v.mixup_alpha == 0.2);
    assert_true(v.label_smoothing == 0.01);
    assert_string_equal(v.optimizer, "adamw");
    assert_true(v.lr == 1e-3 && v.weight_decay == 0.01);
    assert_true(v.beta1 == 0.9 && v.beta2 == 0.999 && v.eps == 1e-8);
    assert_true(v.momentum == 0.9 && v.nesterov);
    assert_string_equal(v.schedule, "cosine");
    assert_true(v.final_lr == 1e-6);
    assert_int_equal(v.warmup_steps, 0);
    assert_true(v.ema_decay == 0 && v.clip_norm == 0);
    oc_recipe_destroy(&recipe);
    assert_null(recipe);
    oc_recipe_destroy(&recipe);
}

/* Every row is whole, unique and its own default in canonical form; keys of a group stand together. */
static void test_table(void **state) {
    (void)state;
    oc_recipe *recipe = new_recipe();
    size_t count = oc_recipe_key_count();
    assert_true(count >= 22);
    assert_null(oc_recipe_key_at(count));
    for (size_t i = 0; i < count; i++) {
        const oc_recipe_key *key = oc_recipe_key_at(i);
        const char *dot = strchr(key->key, '.');
        assert_non_null(dot);
        assert_non_null(key->help);
        assert_string_equal(oc_recipe_get(recipe, key->key), key->default_value);
        assert_true((key->type == OC_KEY_CHOICE || key->type == OC_KEY_STATISTIC) == (key->choices != NULL));
        if (key->type == OC_KEY_INT || key->type == OC_KEY_REAL) assert_true(key->min < key->max);
        size_t group = (size_t)(dot - key->key) + 1;
        bool left = false;
        for (size_t j = i + 1; j < count; j++) {
            assert_string_not_equal(oc_recipe_key_at(j)->key, key->key);
            bool same = strncmp(oc_recipe_key_at(j)->key, key->key, group) == 0;
            assert_false(left && same);
            left = left || !same;
        }
    }
    assert_null(oc_recipe_get(recipe, "optimizer.learning_rate"));
    oc_recipe_destroy(&recipe);
}

static void test_set(void **state) {
    (void)state;
    oc_recipe *recipe = new_recipe();
    oc_error error = {0};
    static const struct {
        const char *key, *value, *canonical;
    } good[] = {{"optimizer.lr", "3e-4", "0.0003"},
                {"optimizer.lr", "+.5", "0.5"},
                {"optimizer.lr", "0.1", "0.1"},
                {"optimizer.lr", "-0", "0"},
                {"train.epochs", "007", "7"},
                {"train.seed", "9007199254740992", "9007199254740992"},
                {"data.augment", "false", "false"},
                {"optimizer.name", "sgd", "sgd"},
                {"model.name", "seresnet18", "seresnet18"},
                {"data.background", "007", "7"},
                {"data.background", "128,128, 128", "128"},
                {"data.background", "124, 0,255", "124,0,255"},
                {"optimizer.eps", "0.00000001", "1e-08"}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(oc_recipe_set(recipe, good[i].key, good[i].value, "--set", &error), OC_OK);
        assert_string_equal(oc_recipe_get(recipe, good[i].key), good[i].canonical);
    }
    oc_recipe_values v = oc_recipe_resolve(recipe);
    assert_int_equal(v.epochs, 7);
    assert_true(v.seed == UINT64_C(9007199254740992));
    assert_false(v.augment);
    assert_memory_equal(v.background, "\x7c\0\xff", 3);
    assert_string_equal(v.optimizer, "sgd");
    assert_true(v.eps == 1e-8);

    static const struct {
        const char *key, *value, *says;
    } bad[] = {{"optimizer.lrr", "1", "did you mean optimizer.lr?"},
               {"zzzzzzzzzzzzzzzz", "1", "the keys are model.name, model.stem"},
               {"optimizer.lr", "fast", "takes a number"},
               {"data.background", "white", "takes a grey value 0 to 255, or three"},
               {"data.background", "256", "takes a grey value"},
               {"data.background", "1,2", "takes a grey value"},
               {"data.background", "1,2,3,4", "takes a grey value"},
               {"data.background", "1,2,", "takes a grey value"},
               {"data.background", "-1", "takes a grey value"},
               {"data.background", "1 2 3", "takes a grey value"},
               {"optimizer.lr", "", "no value"},
               {"optimizer.lr", "nan", "takes a number"},
               {"optimizer.lr", "inf", "takes a number"},
               {"optimizer.lr", "0x1p-3", "takes a number"},
               {"optimizer.lr", "1e", "takes a number"},
               {"optimizer.lr", "0.1 ", "takes a number"},
               {"optimizer.lr", "1e999", "takes a number"},
               {"optimizer.lr", "11", "from 0 to 10"},
               {"optimizer.lr", "-1e-9", "from 0 to 10"},
               {"train.epochs", "1.5", "takes a whole number"},
               {"train.epochs", "1e3", "takes a whole number"},
               {"train.epochs", "0", "from 1 to"},
               {"train.epochs", "99999999999999999999999", "out of range"},
               {"train.seed", "-1", "out of range"},
               {"data.augment", "yes", "true or false"},
               {"optimizer.name", "adam", "did you mean adamw?"},
               {"train.precision", "fp16", "fp32|bf16|auto"},
               {"model.name", "a\nb", "control characters"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        error = (oc_error){0};
        assert_int_equal(oc_recipe_set(recipe, bad[i].key, bad[i].value, "--set it", &error), OC_E_USAGE);
        assert_string_equal(error.where, "--set it");
        if (!strstr(error.message, bad[i].says)) fail_msg("\"%s\" does not say \"%s\"", error.message, bad[i].says);
    }
    assert_string_equal(oc_recipe_get(recipe, "optimizer.lr"), "0");
    oc_recipe_destroy(&recipe);
}

static void test_yaml(void **state) {
    (void)state;
    oc_recipe *recipe = new_recipe();
    oc_error error;
    assert_int_equal(load(recipe,
                          "# a recipe\noptimizer:\n  lr: 0.01 # larger\n  name: 'sgd'\ntrain: {epochs: 3, seed: 7}\n"
                          "schedule.name: one-cycle\nmodel:\n    name: \"myresnet-base\"\n",
                          &error),
                     OC_OK);
    oc_recipe_values v = oc_recipe_resolve(recipe);
    assert_true(v.lr == 0.01);
    assert_string_equal(v.optimizer, "sgd");
    assert_int_equal(v.epochs, 3);
    assert_int_equal(v.seed, 7);
    assert_string_equal(v.schedule, "one-cycle");
    assert_string_equal(v.model_name, "myresnet-base");
    assert_int_equal(v.batch_size, 64); /* not stated: as before */
    oc_recipe_destroy(&recipe);
}

static void test_yaml_errors(void **state) {
    (void)state;
    static const struct {
        const char *yaml, *where, *says;
    } bad[] = {
        {"optimizer:\n  lrr: 0.1\n", "r.yaml:2", "did you mean optimizer.lr?"},
        {"optimiser:\n  lr: 0.1\n", "r.yaml:1", "unknown group \"optimiser\": did you mean optimizer?"},
        {"\nqqqqqqqqqqqqqqqq:\n  lr: 0.1\n", "r.yaml:2", "the groups are model, data, train"},
        {"optimizer:\n  lr: fast\n", "r.yaml:2", "optimizer.lr takes a number, not \"fast\""},
        {"optimizer:\n  name: sgd\n\n  lr: 50\n", "r.yaml:4", "from 0 to 10"},
        {"optimizer:\n  lr:\n", "r.yaml:2", "no value"},
        {"optimizer:\n  lr: 0.1\n  lr: 0.2\n", "r.yaml:3", "already set in line 2"},
        {"optimizer:\n  lr: 0.1\noptimizer.lr: 0.1\n", "r.yaml:3", "already set in line 2"},
        {"optimizer:\n\tlr: 0.1\n", "r.yaml:2", "tab"},
        {"optimizer: [1, 2]\n", "r.yaml:1", "unknown key"},
        {"train:\n  epochs: [1]\n", "r.yaml:2", "not a list"},
        {"train:\n  epochs:\n    more: 1\n", "r.yaml:2", "takes one value, not a mapping"},
        {"train:\n  epochs: &a 3\n", "r.yaml:2", "anchors"},
        {"train:\n  epochs: *a\n", "r.yaml:2", "alias"},
        {"train: &a\n  epochs: 3\n", "r.yaml:1", "anchors"},
        {"train:\n  epochs: !!int 3\n", "r.yaml:2", "tags"},
        {"- 1\n- 2\n", "r.yaml:1", "a recipe is a mapping"},
        {"just text\n", "r.yaml:1", "a recipe is a mapping"},
        {"", "r.yaml:1", "no setting"},
        {"# nothing\n", "r.yaml:1", "no setting"},
        {"train.epochs: 3\n---\ntrain.epochs: 4\n", "r.yaml:2", "second document"},
        {"? [1]\n: 2\n", "r.yaml:1", "plain word"},
        {"train: {epochs: 3\n", "r.yaml:2", "not YAML"},
        {"model:\n  name: \"a\\0b\"\n", "r.yaml:2", "NUL"},
        {"train:\n  epochs: \xff\xfe\n", "r.yaml:1", "not YAML"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        oc_recipe *recipe = new_recipe();
        oc_error error;
        assert_int_equal(load(recipe, bad[i].yaml, &error), OC_E_USAGE);
        if (!strstr(error.message, bad[i].says)) fail_msg("\"%s\" does not say \"%s\"", error.message, bad[i].says);
        if (strcmp(error.where, bad[i].where) != 0)
            fail_msg("%s: at %s, not %s", error.message, error.where, bad[i].where);
        /* Untouched, also by what stood before the mistake. */
        oc_recipe *fresh = new_recipe();
        assert_int_equal(oc_recipe_compare(fresh, recipe, "", NULL), OC_OK);
        oc_recipe_destroy(&fresh);
        oc_recipe_destroy(&recipe);
    }
    /* Deep nesting ends at the first unknown level. */
    char deep[20001];
    memset(deep, '{', 20000);
    deep[20000] = '\0';
    oc_recipe *recipe = new_recipe();
    oc_error error;
    assert_int_equal(load(recipe, deep, &error), OC_E_USAGE);
    oc_recipe_destroy(&recipe);
}

/* Saved and read again, every key comes back; the text is the same then. */
static void test_round_trip(void **state) {
    (void)state;
    static const char *const values[][2] = {{"model.name", "odd \"name\": \\ # x"},
                                            {"optimizer.lr", "0.012345678901234567"},
                                            {"optimizer.nesterov", "false"},
                                            {"schedule.name", "one-cycle"},
                                            {"train.seed", "123456789012345"},
                                            {"clip.norm", "1.5"},
                                            {"ema.decay", "0.999"}};
    char folder[256], path[300];
    oc_error error = {0};
    test_temporary_create(folder, sizeof folder);
    snprintf(path, sizeof path, "%s/recipe.yaml", folder);
    oc_recipe *recipe = new_recipe(), *again = new_recipe();
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        assert_int_equal(oc_recipe_set(recipe, values[i][0], values[i][1], "", &error), OC_OK);
    assert_int_equal(oc_recipe_save(recipe, path, &error), OC_OK);
    assert_int_equal(oc_recipe_load(again, path, &error), OC_OK);
    assert_int_equal(oc_recipe_compare(recipe, again, path, &error), OC_OK);
    assert_true(oc_recipe_resolve(again).lr == 0.012345678901234567);
    char *text = NULL, *text_again = NULL;
    assert_int_equal(oc_recipe_text(recipe, &text, &error), OC_OK);
    assert_int_equal(oc_recipe_text(again, &text_again, &error), OC_OK);
    assert_string_equal(text, text_again);
    assert_non_null(strstr(text, "\noptimizer:\n  # the optimizer (adamw|sgd)\n  name: adamw\n"));
    oc_free(text);
    oc_free(text_again);

    assert_int_equal(oc_recipe_set(again, "optimizer.lr", "0.01", "", &error), OC_OK);
    assert_int_equal(oc_recipe_compare(recipe, again, "run", &error), OC_E_MISMATCH);
    assert_non_null(strstr(error.message, "optimizer.lr was 0.012345678901234567 in the run, now 0.01"));
    assert_string_equal(error.where, "run");

    snprintf(path, sizeof path, "%s/none.yaml", folder);
    assert_int_equal(oc_recipe_load(again, path, &error), OC_E_NOT_FOUND);
    oc_recipe_destroy(&recipe);
    oc_recipe_destroy(&again);
    test_temporary_remove(folder);
}

/* recipes/tiny-imagenet.yaml states every key, each with its default. */
static void test_shipped_recipe(void **state) {
    (void)state;
    oc_recipe *recipe = new_recipe(), *fresh = new_recipe();
    oc_error error = {0};
    for (size_t i = 0; i < oc_recipe_key_count(); i++) {
        const oc_recipe_key *key = oc_recipe_key_at(i);
        /* Another value than the default, so that a key left out shows. */
        const char *other = key->type == OC_KEY_BOOL    ? (strcmp(key->default_value, "true") == 0 ? "false" : "true")
                            : key->type == OC_KEY_TEXT  ? "other"
                            : key->type == OC_KEY_INT   ? "77"
                            : key->type == OC_KEY_REAL  ? "0.123"
                            : key->type == OC_KEY_COLOR ? "12,34,56"
                            : key->type == OC_KEY_STATISTIC ? "0.5,0.25,1"
                                                            : strrchr(key->choices, '|') + 1;
        assert_int_equal(oc_recipe_set(recipe, key->key, other, "", &error), OC_OK);
        assert_string_not_equal(oc_recipe_get(recipe, key->key), key->default_value);
    }
    if (oc_recipe_load(recipe, "recipes/tiny-imagenet.yaml", &error) != OC_OK)
        fail_msg("%s: %s", error.where, error.message);
    if (oc_recipe_compare(fresh, recipe, "", &error) != OC_OK) fail_msg("%s", error.message);
    oc_recipe_destroy(&recipe);
    oc_recipe_destroy(&fresh);
}

/* A locale of our own, whose decimal point is a comma, in folder/comma; false where the system cannot make one. */
static bool comma_locale(const char *folder) {
    char path[300], command[1200];
    if (system("command -v localedef >/dev/null") != 0) return false;
    snprintf(path, sizeof path, "%s/ascii", folder);
    FILE *characters = fopen(path, "w");
    assert_non_null(characters);
    fputs("<code_set_name> ANSI_X3.4-1968\n<mb_cur_min> 1\n<mb_cur_max> 1\nCHARMAP\n", characters);
    for (int c = 0; c < 128; c++) fprintf(characters, "<U%04X> /x%02x c%d\n", (unsigned)c, (unsigned)c, c);
    fputs("END CHARMAP\n", characters);
    assert_int_equal(fclose(characters), 0);
    snprintf(path, sizeof path, "%s/source", folder);
    test_text_write(path, "LC_NUMERIC\ndecimal_point \",\"\nthousands_sep \".\"\ngrouping 3;3\nEND LC_NUMERIC\n");
    /* It complains of the categories that are missing, and makes the locale nevertheless. */
    snprintf(command, sizeof command, "localedef -c -i '%s' -f '%s/ascii' '%s/comma' 2>'%s/warnings'", path, folder,
             folder, folder);
    assert_int_not_equal(system(command), -1);
    assert_int_equal(setenv("LOCPATH", folder, 1), 0);
    return true;
}

/* Numbers read and write the same under a locale with a decimal comma. */
static void test_locale(void **state) {
    (void)state;
    char folder[256], path[300], number[32];
    test_temporary_create(folder, sizeof folder);
    if (!comma_locale(folder)) {
        test_temporary_remove(folder);
        skip();
    }
    assert_non_null(setlocale(LC_ALL, "comma"));
    snprintf(number, sizeof number, "%g", 0.25);
    assert_string_equal(number, "0,25");
    oc_recipe *recipe = new_recipe();
    oc_error error = {0};
    assert_int_equal(oc_recipe_set(recipe, "optimizer.lr", "0.25", "", &error), OC_OK);
    assert_string_equal(oc_recipe_get(recipe, "optimizer.lr"), "0.25");
    assert_true(oc_recipe_resolve(recipe).lr == 0.25);
    oc_recipe_destroy(&recipe);

    /* A row of metrics.csv. */
    oc_record *record = NULL;
    oc_metrics *rows = NULL;
    size_t count = 0;
    assert_int_equal(oc_record_create(&record, folder, 0, 0, &error), OC_OK);
    assert_int_equal(oc_record_epoch(record, &(oc_metrics){.epoch = 1, .step = 2, .lr = 0.25, .seconds = 1.5}, &error),
                     OC_OK);
    oc_record_destroy(&record);
    snprintf(path, sizeof path, "%s/metrics.csv", folder);
    assert_int_equal(oc_metrics_read(&rows, &count, path, &error), OC_OK);
    assert_int_equal(count, 1);
    assert_true(rows[0].lr == 0.25 && rows[0].seconds == 1.5 && rows[0].step == 2);
    oc_free(rows);
    setlocale(LC_ALL, "C");
    test_temporary_remove(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),       cmocka_unit_test(test_table),       cmocka_unit_test(test_set),
        cmocka_unit_test(test_yaml),           cmocka_unit_test(test_yaml_errors), cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_shipped_recipe), cmocka_unit_test(test_locale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
