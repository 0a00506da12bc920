/* ocelli report */
#include <string.h>

#include "commands.h"
#include "environment.h"
#include "ocelli/report.h"
#include "output.h"
#include "progress.h"

#define DEFAULT_OUT "report.html"

static const oc_flag flags[] = {
    {"--out", "FILE.html", "the page; " DEFAULT_OUT " unless given"},
    {"--data", "PATH", "evaluate best weights on this data set; that of each run unless given"},
    {"--stored", NULL, "compute nothing: show what is kept of evaluations"},
    {"--json", NULL, "print the numbers as JSON, and write no page"},
    OC_FLAG_THREADS,
    OC_FLAG_CACHE,
    OC_FLAG_SKIP_BAD,
    OC_FLAG_END,
};

static oc_status run(const oc_args *args, oc_error *err) {
    const bool json = oc_args_has(args, "--json");
    const char *out = oc_args_text(args, "--out");
    char *text = NULL;
    oc_bar bar = oc_bar_make(oc_environment_stop_flag());
    oc_report_options options = {.data = oc_args_text(args, "--data"),
                                 .stored = oc_args_has(args, "--stored"),
                                 .cache = oc_args_text(args, "--cache"),
                                 .skip_bad = oc_args_has(args, "--skip-bad"),
                                 .progress = oc_bar_progress(&bar),
                                 .log = oc_bar_log(&bar)};
    oc_status status = oc_args_threads(args, &options.threads, err);
    if (status == OC_OK && json && out)
        status = oc_cli_fail(err, OC_E_USAGE, "--out", "with --json no page is written");
    if (!out) out = DEFAULT_OUT;
    if (status == OC_OK && json)
        status = oc_report_json(&text, oc_args_word(args), oc_args_words(args), &options, err);
    else if (status == OC_OK)
        status = oc_report_write(out, oc_args_word(args), oc_args_words(args), &options, err);
    oc_bar_clear(&bar);
    if (status == OC_OK && json) puts(text);
    if (status == OC_OK && !json) printf("the report is in %s\n", out);
    oc_report_free(text);
    return status;
}

const oc_command oc_command_report = {
    .name = "report",
    .summary = "writes one page that shows runs, studies and ensembles: curves, tables, confusion, examples",
    .description = "Writes one HTML file that shows runs, studies and ensembles: curves, where the time went, a "
                   "table, and of the best weights of each run confusion, calibration and examples. It opens "
                   "anywhere, offline, and asks nothing of the network.\n\n"
                   "RUN is the folder of a run, a study or an ensemble, or a folder of such folders. The figures of "
                   "best weights are computed once and kept in the run's folder; --stored shows only what is there.",
    .usage = "RUN... [--out report.html] [--data PATH] [--json]",
    .example = "ocelli report runs/small runs/other --out report.html",
    .docs = "docs/report.md",
    .flags = flags,
    .computes = true,
    .least = 1,
    .most = 4096,
    .words = "RUN",
    .run = run,
};
