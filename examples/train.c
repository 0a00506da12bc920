/* Trains a classifier on a data set: train DATA MODEL RUN [KEY=VALUE...]
 *
 *     cc train.c $(pkg-config --cflags --libs ocelli) -o train
 *     ocelli data demo pictures
 *     ./train pictures myresnet-tiny run train.epochs=3
 *
 * The keys are those of recipes (ocelli train --help). Ctrl-C finishes the step and saves; the same call again goes on
 * from there. */
#include <ocelli/ocelli.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static volatile int stop;

static void on_interrupt(int signal_number) {
    (void)signal_number;
    stop = 1;
}

static void on_step(void *user, const oc_train_status *status) {
    (void)user;
    if (status->validating || status->step % 10 != 0) return;
    printf("step %lld of %lld, loss %.3f, %.0f images/s\n", (long long)status->step, (long long)status->steps,
           status->loss, status->images_per_second);
}

static void on_epoch(void *user, const oc_train_status *status) {
    (void)user;
    printf("step %lld of %lld, validation top-1 %.3f, the best %.3f\n", (long long)status->step,
           (long long)status->steps, status->val_top1, status->best_top1);
}

static void on_log(void *user, oc_log_level level, const char *line) {
    (void)user;
    fprintf(stderr, "%s%s\n", level == OC_LOG_WARN ? "warning: " : "", line);
}

/* Sets what the arguments "key=value" say. */
static oc_status set_keys(oc_recipe *recipe, char **arguments, int count, oc_error *error) {
    oc_status status = OC_OK;
    for (int i = 0; status == OC_OK && i < count; i++) {
        char key[64];
        const char *equals = strchr(arguments[i], '=');
        size_t length = equals ? (size_t)(equals - arguments[i]) : strlen(arguments[i]);
        snprintf(key, sizeof key, "%.*s", (int)length, arguments[i]);
        status = oc_recipe_set(recipe, key, equals ? equals + 1 : "", arguments[i], error);
    }
    return status;
}

/* Begins a run in the folder, or goes on with the one that it holds. */
static oc_status open_trainer(oc_trainer **trainer, const oc_dataset *data, const oc_recipe *recipe, const char *run,
                              oc_error *error) {
    oc_train_options options = {
        .out = run, .stop = &stop, .on_step = on_step, .on_epoch = on_epoch, .log = {on_log, NULL}};
    oc_status status = oc_trainer_create(trainer, data, recipe, &options, error);
    if (status != OC_E_EXISTS) return status;
    options.resume = true;
    return oc_trainer_create(trainer, data, recipe, &options, error);
}

int main(int argc, char **argv) {
    oc_error error = {0};
    oc_dataset *data = NULL;
    oc_recipe *recipe = NULL;
    oc_trainer *trainer = NULL;
    oc_model *model = NULL;
    oc_evaluation evaluation;
    char best[4096];
    if (argc < 4) {
        fprintf(stderr, "usage: train DATA MODEL RUN [KEY=VALUE...]\n");
        return 2;
    }
    snprintf(best, sizeof best, "%s/best.safetensors", argv[3]);
    signal(SIGINT, on_interrupt);

    oc_status status = oc_dataset_open(&data, argv[1], NULL, &error);
    if (status == OC_OK) status = oc_recipe_create(&recipe, &error);
    if (status == OC_OK) status = oc_recipe_set(recipe, "model.name", argv[2], "MODEL", &error);
    if (status == OC_OK) status = set_keys(recipe, argv + 4, argc - 4, &error);
    if (status == OC_OK) status = open_trainer(&trainer, data, recipe, argv[3], &error);
    if (status == OC_OK) status = oc_trainer_run(trainer, &error);
    oc_trainer_destroy(&trainer);

    /* The best weights of the run, over every validation image. */
    if (status == OC_OK) status = oc_model_open(&model, best, NULL, NULL, 0, 0, NULL, &error);
    if (status == OC_OK) status = oc_evaluate(&evaluation, model, data, NULL, &error);
    if (status == OC_OK)
        printf("top-1 %.3f over %lld images: %s\n", evaluation.top1, (long long)evaluation.images, best);
    if (status == OC_E_STOPPED)
        fprintf(stderr, "train: stopped; the same call goes on\n");
    else if (status != OC_OK)
        fprintf(stderr, "train: %s: %s\n", error.where, error.message);
    oc_model_destroy(&model);
    oc_recipe_destroy(&recipe);
    oc_dataset_destroy(&data);
    return status == OC_OK ? 0 : status == OC_E_USAGE ? 2 : status == OC_E_STOPPED ? 130 : 1;
}
