/* The messages of TensorBoard's HParams plugin. They stand in the metadata of summaries without values, of which
 * TensorBoard keeps the first of each tag. */
#include "record/hparams.h"

#include "base/error.h"
#include "base/memory.h"
#include "record/hparams.pb-c.h"

static const struct {
    const char *tag, *name;
    Oc__Record__MetricInfo__Dataset dataset;
} metrics[] = {{OC_TAG_VAL_TOP1, "validation top-1", OC__RECORD__METRIC_INFO__DATASET__VALIDATION},
               {OC_TAG_VAL_TOP5, "validation top-5", OC__RECORD__METRIC_INFO__DATASET__VALIDATION},
               {OC_TAG_VAL_LOSS, "validation loss", OC__RECORD__METRIC_INFO__DATASET__VALIDATION},
               {OC_TAG_TRAIN_LOSS, "training loss", OC__RECORD__METRIC_INFO__DATASET__TRAINING}};
#define METRICS (sizeof metrics / sizeof *metrics)

static oc_status write_data(oc_events *events, const char *tag, const Oc__Record__HparamsData *data, oc_error *err) {
    oc_status status = OC_OK;
    uint8_t *content = NULL;
    const size_t size = oc__record__hparams_data__get_packed_size(data);
    OC_TRY(oc_alloc(&content, size, 1, err));
    oc__record__hparams_data__pack(data, content);
    OC_TRY(oc_events_write_data(events, tag, "hparams", content, size, err));
cleanup:
    oc_free(content);
    return status;
}

/* Which settings and metrics there are. Texts and numbers have no domain, so that no value is filtered out of the
 * plugin's table that another run has. */
static oc_status write_experiment(oc_events *events, const oc_hparam *hparams, size_t count, oc_error *err) {
    oc_status status = OC_OK;
    Oc__Record__HparamInfo *infos = NULL, **info_list = NULL;
    Oc__Record__MetricInfo metric[METRICS], *metric_list[METRICS];
    Oc__Record__MetricName name[METRICS];
    Oc__Record__HparamValue truth[2], *truth_list[] = {&truth[0], &truth[1]};
    for (int i = 0; i < 2; i++) {
        oc__record__hparam_value__init(&truth[i]);
        truth[i].kind_case = OC__RECORD__HPARAM_VALUE__KIND_BOOL_VALUE;
        truth[i].bool_value = i;
    }
    Oc__Record__HparamValues either = OC__RECORD__HPARAM_VALUES__INIT;
    either.n_values = 2;
    either.values = truth_list;
    OC_TRY(oc_alloc(&infos, count, sizeof *infos, err));
    OC_TRY(oc_alloc(&info_list, count, sizeof(void *), err));
    for (size_t i = 0; i < count; i++) {
        static const Oc__Record__HparamInfo__Type types[] = {[OC_HPARAM_TEXT] = OC__RECORD__HPARAM_INFO__TYPE__STRING,
                                                             [OC_HPARAM_BOOL] = OC__RECORD__HPARAM_INFO__TYPE__BOOL,
                                                             [OC_HPARAM_NUMBER] =
                                                                 OC__RECORD__HPARAM_INFO__TYPE__FLOAT64};
        Oc__Record__HparamInfo *info = info_list[i] = &infos[i];
        oc__record__hparam_info__init(info);
        info->name = (char *)hparams[i].name;
        info->description = (char *)hparams[i].description;
        info->type = types[hparams[i].type];
        info->differs = hparams[i].given;
        if (hparams[i].type != OC_HPARAM_BOOL) continue;
        info->domain_case = OC__RECORD__HPARAM_INFO__DOMAIN_DOMAIN_DISCRETE;
        info->domain_discrete = &either;
    }
    for (size_t i = 0; i < METRICS; i++) {
        metric_list[i] = &metric[i];
        oc__record__metric_name__init(&name[i]);
        name[i].tag = (char *)metrics[i].tag;
        oc__record__metric_info__init(&metric[i]);
        metric[i].name = &name[i];
        metric[i].display_name = (char *)metrics[i].name;
        metric[i].dataset_type = metrics[i].dataset;
    }
    Oc__Record__Experiment experiment = OC__RECORD__EXPERIMENT__INIT;
    experiment.n_hparam_infos = count;
    experiment.hparam_infos = info_list;
    experiment.n_metric_infos = METRICS;
    experiment.metric_infos = metric_list;
    Oc__Record__HparamsData data = OC__RECORD__HPARAMS_DATA__INIT;
    data.data_case = OC__RECORD__HPARAMS_DATA__DATA_EXPERIMENT;
    data.experiment = &experiment;
    OC_TRY(write_data(events, "_hparams_/experiment", &data, err));
cleanup:
    oc_free(infos);
    oc_free(info_list);
    return status;
}

static void set_value(Oc__Record__HparamValue *value, const oc_hparam *hparam) {
    oc__record__hparam_value__init(value);
    switch (hparam->type) {
    case OC_HPARAM_TEXT:
        value->kind_case = OC__RECORD__HPARAM_VALUE__KIND_STRING_VALUE;
        value->string_value = (char *)hparam->text;
        break;
    case OC_HPARAM_BOOL:
        value->kind_case = OC__RECORD__HPARAM_VALUE__KIND_BOOL_VALUE;
        value->bool_value = hparam->number != 0;
        break;
    case OC_HPARAM_NUMBER:
        value->kind_case = OC__RECORD__HPARAM_VALUE__KIND_NUMBER_VALUE;
        value->number_value = hparam->number;
        break;
    }
}

oc_status oc_hparams_write_start(oc_events *events, const oc_hparam *hparams, size_t count, oc_error *err) {
    oc_status status = OC_OK;
    Oc__Record__SessionStart__Entry *entries = NULL, **list = NULL;
    Oc__Record__HparamValue *values = NULL;
    OC_TRY(oc_alloc(&entries, count, sizeof *entries, err));
    OC_TRY(oc_alloc(&list, count, sizeof(void *), err));
    OC_TRY(oc_alloc(&values, count, sizeof *values, err));
    OC_TRY(write_experiment(events, hparams, count, err));
    for (size_t i = 0; i < count; i++) {
        set_value(&values[i], &hparams[i]);
        list[i] = &entries[i];
        oc__record__session_start__entry__init(&entries[i]);
        entries[i].key = (char *)hparams[i].name;
        entries[i].value = &values[i];
    }
    Oc__Record__SessionStart start = OC__RECORD__SESSION_START__INIT;
    start.n_hparams = count;
    start.hparams = list;
    start.start_time_secs = oc_events_now();
    Oc__Record__HparamsData data = OC__RECORD__HPARAMS_DATA__INIT;
    data.data_case = OC__RECORD__HPARAMS_DATA__DATA_SESSION_START_INFO;
    data.session_start_info = &start;
    OC_TRY(write_data(events, "_hparams_/session_start_info", &data, err));
cleanup:
    oc_free(entries);
    oc_free(list);
    oc_free(values);
    return status;
}

oc_status oc_hparams_write_end(oc_events *events, oc_error *err) {
    Oc__Record__SessionEnd end = OC__RECORD__SESSION_END__INIT;
    end.status = OC__RECORD__SESSION_END__STATUS__SUCCESS;
    end.end_time_secs = oc_events_now();
    Oc__Record__HparamsData data = OC__RECORD__HPARAMS_DATA__INIT;
    data.data_case = OC__RECORD__HPARAMS_DATA__DATA_SESSION_END_INFO;
    data.session_end_info = &end;
    return write_data(events, "_hparams_/session_end_info", &data, err);
}
