/* Running: steps, validation, saving, stopping. What decides the weights is a function of the recipe, the data and the
 * state; the clock only fills the records and ends a run at max_seconds. */
#include "train/trainer.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"

#define NAMES_MAX 5 /* samples named in an error */

void oc_trainer_log(oc_trainer *trainer, oc_log_level level, const char *format, ...) {
    char line[4096]; /* as long as those of the library's log */
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    oc_log_line(&trainer->options.log, level, "%s", line);
    /* A line lost from log.txt is no reason to end a run; a full disk shows in the writes that matter. */
    char marked[sizeof OC_LOG_WARNING + sizeof line];
    snprintf(marked, sizeof marked, "%s%s", level == OC_LOG_WARN ? OC_LOG_WARNING : "", line);
    if (trainer->record)
        (void)oc_record_log(trainer->record, marked, NULL);
    else
        (void)oc_text_printf(&trainer->early, NULL, "%s%s", trainer->early.size ? "\n" : "", marked);
}

bool oc_trainer_validation_due(const oc_trainer *trainer) {
    const oc_position *p = &trainer->position;
    return p->step % trainer->epoch_steps == 0 && p->metrics_rows <= p->step / trainer->epoch_steps;
}

static bool stop_asked(const oc_trainer *trainer) {
    return trainer->options.stop && *trainer->options.stop;
}

void oc_trainer_account(oc_trainer *trainer) {
    double now = oc_clock_seconds();
    trainer->position.epoch_seconds += now - trainer->mark;
    trainer->position.elapsed_seconds += now - trainer->mark;
    trainer->mark = now;
}

static bool time_over(const oc_trainer *trainer) {
    return trainer->options.max_seconds > 0 && trainer->position.elapsed_seconds >= trainer->options.max_seconds;
}

/* ---- Status -------------------------------------------------------------------------------------------------------
 */

/* a / b, or NaN where b is 0. */
static double ratio(double a, double b) {
    return b != 0 ? a / b : NAN;
}

oc_train_status oc_trainer_status(const oc_trainer *trainer) {
    const oc_position *p = &trainer->position;
    double images = (double)p->epoch_images, work = p->data + p->forward + p->backward + p->optimizer;
    double left = (double)(trainer->limit > p->step ? trainer->limit - p->step : 0);
    int64_t epoch = p->step / trainer->epoch_steps;
    /* At an epoch's end the epoch worked on is still that one until its validation is done. */
    if (epoch > 0 && oc_trainer_validation_due(trainer)) epoch--;
    if (epoch >= trainer->values.epochs) epoch = trainer->values.epochs - 1;
    return (oc_train_status){.epoch = epoch,
                             .epochs = trainer->values.epochs,
                             .step = p->step,
                             .steps = trainer->total_steps,
                             .step_in_epoch = p->step - epoch * trainer->epoch_steps,
                             .steps_per_epoch = trainer->epoch_steps,
                             .loss = p->last_loss,
                             .train_loss = ratio(p->epoch_loss, images),
                             .train_top1 = ratio(p->epoch_top1, images),
                             .val_loss = p->val_loss,
                             .val_top1 = p->val_top1,
                             .val_top5 = p->val_top5,
                             .best_top1 = p->best_top1,
                             .lr = p->last_lr,
                             .images_per_second = ratio(images, work),
                             .data_share = work > 0 ? p->data / work : 0,
                             .seconds = p->elapsed_seconds,
                             .eta_seconds = left * ratio(p->elapsed_seconds, (double)p->step),
                             .validating = trainer->validating};
}

static void tell_step(oc_trainer *trainer) {
    if (!trainer->options.on_step) return;
    oc_train_status status = oc_trainer_status(trainer);
    trainer->options.on_step(trainer->options.user, &status);
}

/* ---- Validation ---------------------------------------------------------------------------------------------------
 */

static bool on_validation_batch(void *user, const float *logits, const uint32_t *sample, int64_t rows, int64_t done,
                                int64_t total) {
    (void)done, (void)total;
    oc_trainer *trainer = user;
    for (int64_t i = 0; i < rows; i++)
        oc_confusion_add(&trainer->confusion, oc_pack_image(trainer->val_pack, sample[i]).label,
                         logits + i * trainer->confusion.classes);
    tell_step(trainer);
    return !stop_asked(trainer);
}

/* The row of metrics.csv for the epoch that ends here. */
static oc_metrics metrics_row(const oc_trainer *trainer) {
    const oc_position *p = &trainer->position;
    double images = (double)p->epoch_images, seconds = p->epoch_seconds;
    return (oc_metrics){.epoch = p->step / trainer->epoch_steps,
                        .step = p->step,
                        .train_loss = ratio(p->epoch_loss, images),
                        .train_top1 = ratio(p->epoch_top1, images),
                        .train_top5 = ratio(p->epoch_top5, images),
                        .val_loss = p->val_loss,
                        .val_top1 = p->val_top1,
                        .val_top5 = p->val_top5,
                        .lr = p->last_lr,
                        .images_per_second =
                            images > 0 ? ratio(images, p->data + p->forward + p->backward + p->optimizer) : NAN,
                        .seconds = seconds,
                        .elapsed_seconds = p->elapsed_seconds,
                        .share_data = ratio(p->data, seconds),
                        .share_forward = ratio(p->forward, seconds),
                        .share_backward = ratio(p->backward, seconds),
                        .share_optimizer = ratio(p->optimizer, seconds),
                        .share_validation = ratio(trainer->validation, seconds)};
}

static void log_row(oc_trainer *trainer, const oc_metrics *row) {
    char train[128] = "";
    if (row->step > 0)
        snprintf(train, sizeof train, "train loss %.4f top-1 %.4f, %.1f images/s, ", row->train_loss, row->train_top1,
                 row->images_per_second);
    oc_trainer_log(trainer, OC_LOG_INFO,
                   "epoch %" PRId64 "/%" PRId64 ", step %" PRId64 ": %sval loss %.4f top-1 %.4f top-5 %.4f, %.1f s",
                   row->epoch, trainer->values.epochs, row->step, train, row->val_loss, row->val_top1, row->val_top5,
                   row->seconds);
}

/* Puts the picture of the confusions that were just counted into the records. */
static oc_status record_confusion(oc_trainer *trainer, oc_error *err) {
    oc_status status = OC_OK;
    unsigned char *png = NULL;
    size_t size = 0;
    int side = 0;
    if (!trainer->confusion.count) return OC_OK;
    OC_TRY(oc_confusion_png(&png, &size, &side, &trainer->confusion, err));
    const oc_record_image image = {.tag = "confusion/validation",
                                   .description = oc_confusion_description,
                                   .png = png,
                                   .size = size,
                                   .width = side,
                                   .height = side};
    OC_TRY(oc_record_picture(trainer->record, trainer->position.step, &image, err));
cleanup:
    free(png);
    return status;
}

/* Scores every validation image, writes the epoch's row, keeps the best weights, starts the next epoch's sums, and
 * saves. OC_E_STOPPED in the middle of it leaves the validation due. */
static oc_status validate(oc_trainer *trainer, oc_error *err) {
    oc_status status = OC_OK;
    oc_position *p = &trainer->position;
    oc_weights *weights = trainer->step.average.arena ? &trainer->step.average : &trainer->model->weights;
    oc_score score = {0};
    double begin = oc_clock_seconds();
    trainer->validating = true;
    oc_confusion_clear(&trainer->confusion);
    OC_TRY(oc_evaluator_run(trainer->evaluator, weights, &score, on_validation_batch, trainer, err));
    trainer->validation = oc_clock_seconds() - begin;
    double rows = score.rows > 0 ? (double)score.rows : 1;
    if (!isfinite(score.loss)) {
        OC_TRY(oc_trainer_check_finite(trainer, err)); /* names the tensor, where it is one */
        status = oc_fail(err, OC_E_NON_FINITE, trainer->folder.path,
                         "the validation loss after step %" PRId64
                         " is not finite: the last save before it is kept; start another run with a lower optimizer.lr",
                         p->step);
        goto cleanup;
    }
    p->val_loss = score.loss / rows;
    p->val_top1 = score.top1 / rows;
    p->val_top5 = score.top5 / rows;
    bool better = !(p->val_top1 <= p->best_top1); /* also where there is no best yet */
    if (better) p->best_top1 = p->val_top1;
    oc_trainer_account(trainer);

    oc_metrics row = metrics_row(trainer);
    OC_TRY(oc_record_epoch(trainer->record, &row, err));
    log_row(trainer, &row);
    trainer->model->steps = p->step;
    if (better) {
        OC_TRY(record_confusion(trainer, err));
        OC_TRY(oc_model_write(trainer->model, trainer->step.average.arena, trainer->folder.best, err));
    }
    if (p->step >= trainer->total_steps) OC_TRY(oc_record_end(trainer->record, err));
    oc_train_status told = oc_trainer_status(trainer);
    told.validating = false;

    p->metrics_rows++;
    p->epoch_images = 0;
    p->epoch_loss = p->epoch_top1 = p->epoch_top5 = 0;
    p->data = p->forward = p->backward = p->optimizer = p->epoch_seconds = 0;
    OC_TRY(oc_trainer_save(trainer, err));
    OC_TRY(oc_about_memory(trainer->about_run, err));
    if (trainer->options.on_epoch) trainer->options.on_epoch(trainer->options.user, &told);
cleanup:
    trainer->validating = false;
    return status;
}

/* ---- One step -----------------------------------------------------------------------------------------------------
 */

/* Explains a loss that is not finite: where it began, and in which samples. */
static oc_status fail_non_finite(oc_trainer *trainer, const oc_targets *targets, double loss, oc_error *err) {
    const float *logits = oc_plan_dst(trainer->step.plan);
    const size_t classes = trainer->model->classes.count;
    oc_text_list bad = {.limit = NAMES_MAX};
    oc_status status = OC_OK;
    for (int64_t i = 0; i < targets->rows; i++) {
        bool finite = true;
        for (size_t k = 0; k < classes; k++) finite = finite && isfinite(logits[(size_t)i * classes + k]);
        if (!finite)
            OC_TRY(oc_text_list_add(&bad, err, "%.64s", oc_pack_image(trainer->train_pack, targets->sample[i]).name));
    }
    OC_TRY(oc_text_list_close(&bad, err));
    const char *layer = oc_plan_non_finite(trainer->step.plan); /* computes anew, which may overwrite the logits */
    status = oc_fail(
        err, OC_E_NON_FINITE, trainer->folder.path,
        "the loss is %f at step %" PRId64 ", first in layer \"%s\", samples %s: the last save before it is kept; "
        "start another run with a lower optimizer.lr or with clip.norm",
        loss, trainer->position.step + 1, layer ? layer : "loss", bad.count > 0 ? bad.text.data : "(none alone)");
cleanup:
    oc_text_list_free(&bad);
    return status;
}

/* What the watchdog tells. */
static void on_slow_step(void *user, int64_t step, double seconds, double median, bool running) {
    oc_trainer *trainer = user;
    char usual[64] = "";
    if (median > 0) snprintf(usual, sizeof usual, ", %.0f times as long as is usual", seconds / median);
    oc_trainer_log(trainer, OC_LOG_WARN, "step %" PRId64 " %s %.1f s%s: %s", step, running ? "has taken" : "took",
                   seconds, usual,
                   running ? "something else keeps the machine busy, or the run hangs (what is saved stays good)"
                           : "something else kept the machine busy, or the run was halted");
}

oc_status oc_trainer_watch(oc_trainer *trainer, const oc_watchdog_limits *limits, oc_error *err) {
    oc_watchdog_destroy(&trainer->watchdog);
    return oc_watchdog_create(&trainer->watchdog, limits, on_slow_step, trainer, err);
}

/* Computes the step. Calls no callback: the watchdog may, meanwhile. */
static oc_status compute_step(oc_trainer *trainer, oc_error *err) {
    oc_status status = OC_OK;
    oc_position *p = &trainer->position;
    oc_train_step *step = &trainer->step;

    double start = oc_clock_seconds();
    oc_targets targets;
    oc_batcher_fill(trainer->batcher, p->step / trainer->epoch_steps, p->step % trainer->epoch_steps,
                    oc_plan_src(step->plan), &targets);
    double filled = oc_clock_seconds();

    const oc_soft_labels labels = oc_train_step_labels(&targets);
    oc_score score = {0};
    OC_TRY(oc_train_step_forward(step, p->step, err));
    oc_train_step_loss(step, &labels, &score);
    double forward = oc_clock_seconds();
    if (!isfinite(score.loss)) return fail_non_finite(trainer, &targets, score.loss / (double)score.rows, err);

    double norm = 0;
    OC_TRY(oc_train_step_backward(step, &norm, err));
    double backward = oc_clock_seconds();
    if (!isfinite(norm)) {
        status =
            oc_fail(err, OC_E_NON_FINITE, trainer->folder.path,
                    "the gradient at step %" PRId64 " is not finite: the last save before it is kept; start another "
                    "run with a lower optimizer.lr",
                    p->step + 1);
        goto cleanup;
    }
    p->last_lr = oc_train_step_update(step, p->step, trainer->total_steps);
    double stepped = oc_clock_seconds();

    p->step++;
    p->epoch_images += score.rows;
    p->epoch_loss += score.loss;
    p->epoch_top1 += score.top1;
    p->epoch_top5 += score.top5;
    p->last_loss = score.loss / (double)score.rows;
    p->data += filled - start;
    p->forward += forward - filled;
    p->backward += backward - forward;
    p->optimizer += stepped - backward;
    trainer->unsaved = true;
cleanup:
    return status;
}

static oc_status train_step(oc_trainer *trainer, oc_error *err) {
    const oc_position *p = &trainer->position;
    oc_watchdog_begin(trainer->watchdog, p->step + 1);
    oc_status status = compute_step(trainer, err);
    oc_watchdog_end(trainer->watchdog);
    if (status == OC_OK) status = oc_record_step(trainer->record, p->step, p->last_loss, p->last_lr, err);
    if (status != OC_OK) return status;
    oc_trainer_account(trainer);
    tell_step(trainer);
    return OC_OK;
}

/* ---- The run ------------------------------------------------------------------------------------------------------
 */

static oc_status stopped(oc_trainer *trainer, oc_error *err) {
    if (trainer->unsaved) {
        oc_status status = oc_trainer_save(trainer, err);
        if (status != OC_OK) return status;
    }
    oc_trainer_log(trainer, OC_LOG_INFO, "stopped at step %" PRId64 " of %" PRId64 ", everything saved",
                   trainer->position.step, trainer->total_steps);
    return oc_fail(err, OC_E_STOPPED, trainer->folder.path, "stopped at step %" PRId64 ": continue with --resume",
                   trainer->position.step);
}

/* The end of this call, where it is reached. */
static oc_status finish(oc_trainer *trainer, bool *done, oc_error *err) {
    if (trainer->unsaved) {
        oc_status status = oc_trainer_save(trainer, err);
        if (status != OC_OK) return status;
    }
    *done = true;
    return OC_OK;
}

static oc_status advance(oc_trainer *trainer, bool *done, oc_error *err) {
    const oc_position *p = &trainer->position;
    oc_status status = OC_OK;
    if (oc_trainer_validation_due(trainer)) {
        status = validate(trainer, err);
        if (status == OC_E_STOPPED) return stopped(trainer, err);
        if (status != OC_OK) return status;
    }
    if (p->step >= trainer->limit || time_over(trainer)) return finish(trainer, done, err);
    if (stop_asked(trainer)) return stopped(trainer, err);

    OC_TRY(train_step(trainer, err));
    if (oc_trainer_validation_due(trainer)) {
        status = validate(trainer, err);
        if (status == OC_E_STOPPED) return stopped(trainer, err);
        if (status != OC_OK) return status;
    } else if (trainer->options.save_every > 0 && p->step % trainer->options.save_every == 0) {
        OC_TRY(oc_trainer_save(trainer, err));
    }
    if (p->step >= trainer->limit || time_over(trainer)) return finish(trainer, done, err);
    if (stop_asked(trainer)) return stopped(trainer, err);
cleanup:
    return status;
}

oc_status oc_trainer_step(oc_trainer *trainer, bool *done, oc_error *err) {
    *done = false;
    if (trainer->failed != OC_OK)
        return oc_fail(err, trainer->failed, trainer->folder.path,
                       "the run has failed and goes on only from its last save, with --resume");
    if (!trainer->record) {
        *done = true;
        return OC_OK;
    }
    trainer->mark = oc_clock_seconds();
    oc_team_enter(trainer->team);
    oc_status status = advance(trainer, done, err);
    oc_trainer_account(trainer);
    if (status == OC_OK || status == OC_E_STOPPED) return status;
    trainer->failed = status;
    if (err) {
        char line[sizeof OC_LOG_WARNING + sizeof err->message + 16];
        snprintf(line, sizeof line, OC_LOG_WARNING "failed: %s", err->message);
        (void)oc_record_log(trainer->record, line, NULL);
    }
    return status;
}

oc_status oc_trainer_run(oc_trainer *trainer, oc_error *err) {
    bool done = false;
    oc_status status = OC_OK;
    while (!done && status == OC_OK) status = oc_trainer_step(trainer, &done, err);
    return status;
}
