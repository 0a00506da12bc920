/* The manual page ocelli(1): what is there, and what holds for every subcommand. */
#include "manual.h"
#include "roff.h"

/* Names with what they are; of examples, what a command line is for, with the line. */
typedef struct entry {
    const char *name, *text;
} entry;

static const entry variables[] = {
    {"OC_CPU",
     "The widest instructions to compute with: `baseline`, `avx2`, `avx512` or `avx512_bf16`; unless set, all "
     "that the processor has. It cannot add what is not there."},
    {"XDG_CACHE_HOME", "Decoded images and measured convolutions are kept in the folder `ocelli` in it, unless --cache "
                       "names another. It must be an absolute path."},
    {"HOME", "Where `XDG_CACHE_HOME` is not set, that folder is `.cache/ocelli` in this one."},
    {"OMP_NUM_THREADS", "How many threads compute, where --threads does not say it."},
    {"OMP_PROC_BIND, OMP_PLACES", "Which processors threads are bound to, as OpenMP has it."},
    {"OMP_WAIT_POLICY, GOMP_SPINCOUNT, OMP_DYNAMIC",
     "How threads wait for each other. Where they are not set, ocelli sets them to what is quick also beside other "
     "programs, and executes itself again."},
};

static const entry files[] = {
    {"~/.cache/ocelli", "The cache. What is missing in it is made again."},
    {"RUN/recipe.yaml", "The resolved recipe of a run, which alone repeats it."},
    {"RUN/best.safetensors, RUN/last.safetensors",
     "The weights with the best accuracy on validation, and the last ones; of an ensemble best.safetensors alone."},
    {"RUN/state.safetensors", "What `ocelli train` with --resume goes on from."},
    {"RUN/metrics.csv, RUN/steps.csv, RUN/report.html, RUN/log.txt", "The records of a run, and the page of them."},
    {"share/ocelli/recipes", "Recipes and studies to start from, below the folder that ocelli is installed in."},
};

static const entry examples[] = {
    {"Draw a data set to try things out:", "ocelli data demo demo"},
    {"Train a small model on it for three epochs:",
     "ocelli train --data demo --model myresnet-tiny --epochs 3 --out run"},
    {"Go on with a run that was stopped:", "ocelli train --data demo --out run --resume"},
    {"Classify images with what was trained:", "ocelli predict --weights run/best.safetensors demo/test/images"},
};

static void put_entries(oc_roff *roff, const char *title, const entry *entries, size_t count) {
    oc_roff_section(roff, title);
    for (size_t i = 0; i < count; i++) {
        oc_roff_item(roff, entries[i].name, "", NULL);
        oc_roff_text(roff, entries[i].text);
    }
}

static void put_subcommands(oc_roff *roff) {
    oc_roff_section(roff, "SUBCOMMANDS");
    for (size_t i = 0; oc_commands[i]; i++) {
        oc_roff_item_page(roff, i);
        oc_roff_sentence(roff, oc_commands[i]->summary);
    }
}

void oc_manual_overview(FILE *out, const char *date) {
    oc_roff roff = {.out = out};
    oc_roff_begin(&roff, "trains image classifiers on ordinary CPUs, and classifies with them", date);
    oc_roff_section(&roff, "SYNOPSIS");
    oc_roff_usage(&roff, "", "SUBCOMMAND [ARGUMENTS]... or [SUBCOMMAND] --help or --version");
    oc_roff_section(&roff, "DESCRIPTION");
    oc_roff_text(&roff,
                 "Ocelli trains image classifiers where there is no accelerator, and joins several of them into one "
                 "that sees better than each. A data set is a folder of class folders, or Tiny ImageNet as it is "
                 "distributed; what is trained is a weights file in safetensors with PyTorch's tensor names.\n\n"
                 "A run is a function of recipe, data, seed, threads, processor model and library versions: the same "
                 "again gives the same bits, also when it was stopped anywhere and resumed.\n\n"
                 "Flags stand behind the subcommand, in any order, and take their value as the next word or behind an "
                 "equals sign. Of a flag that is given twice the last counts, unless it may be repeated. What follows "
                 "-- is no flag.");
    put_subcommands(&roff);
    oc_roff_section(&roff, "OPTIONS");
    oc_roff_item(&roff, "--help", "", NULL);
    oc_roff_text(&roff, "Print the list of subcommands or, behind one, its usage, flags and an example.");
    oc_roff_item(&roff, "--version", "", NULL);
    oc_roff_text(&roff, "Print the versions of Ocelli and oneDNN, the processor, its instructions that are used, and "
                        "how many threads there would be.");
    oc_roff_statuses(&roff);
    put_entries(&roff, "ENVIRONMENT", variables, sizeof variables / sizeof variables[0]);
    put_entries(&roff, "FILES", files, sizeof files / sizeof files[0]);
    oc_roff_section(&roff, "EXAMPLES");
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        if (i > 0) oc_roff_line(&roff, ".PP");
        oc_roff_text(&roff, examples[i].name);
        oc_roff_line(&roff, ".PP");
        oc_roff_example(&roff, examples[i].text);
    }
    oc_roff_end(&roff, "README.md");
}
