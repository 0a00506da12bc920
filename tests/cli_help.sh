#!/bin/bash
# --help of everything: exit 0, an example, every flag; quickly; and unknown words name the nearest valid one.
ocelli=$1
# shellcheck source=tests/support/shell.sh
. tests/support/shell.sh

commands=("train" "eval" "predict" "ensemble" "study" "serve" "export" "models" "bench" "data info" "data pack" "data demo"
    "data fetch" "data doctor")
quietly "$ocelli" --help
for command in "${commands[@]}"; do
    grep -q "^  $command " "$work/out" || fail "--help does not list $command"
done
for command in "${commands[@]}"; do
    # shellcheck disable=SC2086
    quietly "$ocelli" $command --help || continue
    grep -q "^example: ocelli $command" "$work/out" || fail "$command --help has no example"
    grep -q "^usage: ocelli $command" "$work/out" || fail "$command --help has no usage"
    [[ -s $work/err ]] && fail "$command --help writes to standard error"
    # Help is help wherever it stands.
    # shellcheck disable=SC2086
    quietly "$ocelli" $command --nonsense --help
done
quietly "$ocelli" train --help
for key in optimizer.lr mixup.alpha schedule.name data.holdout; do
    grep -q "^  $key " "$work/out" || fail "train --help does not list the setting $key"
done
for flag in --lr --epochs --batch-size --seed --size --model --precision --max-time --resume; do
    grep -q -- "^  $flag " "$work/out" || fail "train --help does not list $flag"
done
quietly "$ocelli" data --help
quietly "$ocelli" --version
grep -qE '^ocelli [0-9]+\.[0-9]+\.[0-9]+$' "$work/out" || fail "--version prints $(cat "$work/out")"

expect 2 'trian: .*"train"' "$ocelli" trian
expect 2 'inof: .*"info"' "$ocelli" data inof
expect 2 'dta: .*"data"' "$ocelli" dta info
expect 2 'ensembel: .*"ensemble"' "$ocelli" ensembel
expect 2 '' "$ocelli"
expect 2 '' "$ocelli" data
expect 2 '--epohcs: .*--epochs' "$ocelli" train --epohcs 3
expect 2 '--weihgts: .*--weights' "$ocelli" eval --weihgts=x
expect 2 '--jsno: .*--json' "$ocelli" data info x --jsno
expect 2 'myresnet-smal.*myresnet-small' "$ocelli" models myresnet-smal
expect 2 '--epochs: needs a value' "$ocelli" train --epochs
expect 2 '--json: takes no value' "$ocelli" data info x --json=yes

# The fastest of many starts, so that a busy machine does not count: 20 ms is what a person takes for at once.
for command in "" train; do
    best=1000000
    for ((i = 0; i < 200 && (i < 20 || best >= 20000); i++)); do
        begin=$(date +%s%N)
        # shellcheck disable=SC2086
        "$ocelli" $command --help >/dev/null
        took=$((($(date +%s%N) - begin) / 1000))
        [[ $took -lt $best ]] && best=$took
    done
    echo "ocelli${command:+ $command} --help took $best us"
    # Instrumented builds are slower than what is promised.
    instrumented || [[ $best -lt 20000 ]] || fail "ocelli${command:+ $command} --help takes $best us"
done
# What only a helper program needs is not loaded for it.
ldd "$ocelli" >"$work/out" 2>/dev/null && grep -E 'microhttpd|curl|mpi' "$work/out" && fail "these belong to helper programs"
finish
