#!/bin/bash
# scripts/layers is clean on this tree, and finds each of a list of deliberate breaches in a copy of it.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$root/scripts/layers" "$root"

failures=0
# breach FILE TEXT EXPECTED: with TEXT as a new file, scripts/layers must fail and say EXPECTED.
breach() {
    local file=$1 text=$2 expected=$3 output status=0
    rm -rf "$work/tree"
    mkdir -p "$work/tree/include/ocelli" "$work/tree/src/base" "$work/tree/src/tensor" "$work/tree/cli"
    echo '#include <stddef.h>' >"$work/tree/include/ocelli/base.h"
    echo '/* printf("no") */ int oc_x(void *f) { return snprintf(f, 1, "exit(1)"); }' >"$work/tree/src/base/fine.c"
    output=$("$root/scripts/layers" "$work/tree") || {
        echo "not clean without a breach: $output"
        failures=$((failures + 1))
    }
    mkdir -p "$(dirname "$work/tree/$file")"
    printf '%s\n' "$text" >"$work/tree/$file"
    output=$("$root/scripts/layers" "$work/tree") || status=$?
    if [[ $status -ne 1 || $output != *"$expected"* ]]; then
        echo "a breach in $file ($text) gave status $status and: $output"
        failures=$((failures + 1))
    fi
}

breach src/base/a.c '#include "tensor/tensor.h"' 'may include no other room'
breach src/tensor/a.c '#include "compute/engine.h"' 'it may include base'
breach src/compute/a.c '#include "graph/graph.h"' 'it may include base, tensor, kernels'
breach src/models/a.c '#include "recipe/recipe.h"' 'it may include'
breach src/data/a.h '#include "compute/engine.h"' 'it may include base, tensor, kernels'
breach src/record/a.c '#include "data/dataset.h"' 'it may include base, tensor'
breach src/eval/a.c '#include "recipe/recipe.h"' 'it may include'
breach src/train/a.c '#include "ensemble/combiner.h"' 'it may include'
breach src/ensemble/a.c '#include "study/study.h"' 'it may include'
breach src/train/a.c '  #  include "nowhere/a.h"' "'nowhere' is no room"
breach src/graph/a.c '#include "a.h"' 'write it with its room'
breach src/graph/a.c '#include <oneapi/dnnl/dnnl.h>' 'may include oneDNN'
breach src/graph/a.c 'void *f(void) { return dnnl_engine_create; }' 'names dnnl_engine_create'
breach src/study/a.c '#include <yaml.h>' 'only src/recipe/ may include libyaml'
breach src/serve/a.c '#include <curl/curl.h>' 'only src/fetch/ may include libcurl'
breach src/fetch/a.c '#include "data/source.h"' 'it may include base'
breach src/base/a.c '#include <omp.h>' 'may include OpenMP'
breach src/data/a.c '#pragma omp parallel' 'names OpenMP'
breach src/data/a.c 'int f(void) { return printf("x"); }' 'uses printf'
breach src/data/a.c 'void f(void) { exit(1); }' 'uses exit'
breach src/data/a.c 'void f(void) { abort(); }' 'uses abort'
breach src/data/a.c 'void f(void) { fputs("x", stderr); }' 'uses stderr'
breach src/unknown/a.c 'int x;' 'src/unknown:0: is no known room'
breach src/a.c 'int x;' 'lies in no room'
breach cli/a.c '#include "base/error.h"' 'are allowed'
breach cli/a.c '#include "ocelli/none.h"' 'does not exist'
breach cli/a.c '#include "manual/manual.h"' 'are allowed'
breach cli/manual/a.c '#include "base/error.h"' 'are allowed'
breach cli/manual/a.c '#include "none.h"' 'are allowed'
breach include/ocelli/a.h '#include "base/error.h"' 'public header'

[[ $failures -eq 0 ]] && echo "layers: every deliberate breach was found"
