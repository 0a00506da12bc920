#!/bin/bash
# TensorBoard itself reads the events of a run that was stopped and resumed: every step once, with the values of
# steps.csv. OC_PYTHON names a python that has the package tensorboard; without one the test is skipped.
ocelli=$1
# shellcheck source=tests/support/shell.sh
. tests/support/shell.sh
python=${OC_PYTHON:-python3}
"$python" -c 'import tensorboard' 2>/dev/null || {
    echo "skipped: $python cannot import tensorboard"
    exit 77
}
run=$work/run
quietly "$ocelli" data demo "$work/data" --classes 3 --per-class 16
train=("$ocelli" train --data "$work/data" --model myresnet-tiny --size 32 --batch-size 8 --epochs 2 --out "$run")
quietly "${train[@]}" --max-steps 4 --save-every 2
# As a kill would leave it: events and rows of steps after the last save.
cp "$run/state.safetensors" "$work/state"
quietly "${train[@]}" --resume --max-steps 5
cp "$work/state" "$run/state.safetensors"
quietly "${train[@]}" --resume
"$python" tests/support/read_events.py "$run" >"$work/events" 2>"$work/err" || fail "TensorBoard: $(tail -1 "$work/err")"
for column in 2:loss/train 3:lr; do
    tag=${column#*:}
    awk -F, -v c="${column%%:*}" 'NR > 1 {print $1, $c}' "$run/steps.csv" >"$work/expected"
    awk -v t="$tag" '$1 == t {print $2, $3}' "$work/events" >"$work/got"
    # Events hold 32-bit floats.
    paste -d' ' "$work/expected" "$work/got" | awk -v n="$(wc -l <"$work/expected")" '
        $1 != $3 || ($2 - $4) ^ 2 > ($2 * 1e-6) ^ 2 { print; bad = 1 } END { exit bad || NR != n || n == 0 }' ||
        fail "$tag: events are not the steps of steps.csv"
done
[[ $(wc -l <"$run/steps.csv") -eq 13 ]] || fail "steps.csv has not a header and 12 rows"
finish
