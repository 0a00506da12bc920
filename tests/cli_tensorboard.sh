#!/bin/bash
# label: slow
# TensorBoard itself reads the events of a run that was stopped and resumed: every step once, with the values of
# steps.csv; and its pages show the settings, metrics and confusion matrices of a folder of runs. OC_PYTHON names a
# python that has the package tensorboard; without one the test is skipped.
ocelli=$1
# shellcheck source=tests/support/shell.sh
. tests/support/shell.sh
python=${OC_PYTHON:-python3}
"$python" -c 'import tensorboard' 2>/dev/null || {
    echo "skipped: $python cannot import tensorboard"
    exit 77
}
run=$work/runs/one
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

# A second run, which is not complete. What the pages show, by the server that gives it to them.
quietly "$ocelli" train --data "$work/data" --model myresnet-tiny --size 32 --batch-size 8 --epochs 2 --lr 0.003 \
    --set optimizer.name=sgd --set data.augment=false --out "$work/runs/two" --max-steps 7
"$python" -c 'import PIL' 2>/dev/null || finish
"$python" tests/support/read_events.py -t "$work/runs" >"$work/pages" 2>"$work/err" ||
    fail "TensorBoard's server: $(tail -1 "$work/err")"
# shows LINE...: what the pages show, each once.
shows() {
    local line
    for line in "$@"; do
        [[ $(grep -cxF -- "$line" "$work/pages") -eq 1 ]] || fail "TensorBoard's pages do not show \"$line\" once"
    done
}
shows 'run one' 'run two' 'status one STATUS_SUCCESS' 'status two STATUS_UNKNOWN' \
    'hparam one optimizer.lr 0.001' 'hparam two optimizer.lr 0.003' \
    'hparam one optimizer.name "adamw"' 'hparam two optimizer.name "sgd"' \
    'hparam one data.augment true' 'hparam two data.augment false' 'hparam one train.batch_size 8.0' \
    'info optimizer.lr DATA_TYPE_FLOAT64' 'info optimizer.name DATA_TYPE_STRING' 'info data.augment DATA_TYPE_BOOL' \
    'image one confusion/validation 0 192 192' 'scalar two top1/validation'
[[ $(grep -c '^hparam one ' "$work/pages") -eq $(grep -cE '^ *[a-z_0-9]+: .' "$run/recipe.yaml") ]] ||
    fail "TensorBoard's settings are not as many as those of recipe.yaml"
for name in one two; do
    awk -F, 'NR > 1 {step = $2; loss = $6; top1 = $7} END {print "loss/validation", step, loss
        print "top1/validation", step, top1}' "$work/runs/$name/metrics.csv" >"$work/expected"
    while read -r tag step value; do
        awk -v n="$name" -v t="$tag" -v s="$step" -v v="$value" '
            $1 == "metric" && $2 == n && $3 == t && $4 == s && ($5 - v) ^ 2 <= (v * 1e-6) ^ 2 { good++ }
            END { exit good != 1 }' "$work/pages" || fail "$name: TensorBoard's $tag is not $value at step $step"
    done <"$work/expected"
    # A picture at each new best.
    awk -F, 'NR > 1 && (NR == 2 || $7 > best) {best = $7; print $2}' "$work/runs/$name/metrics.csv" >"$work/expected"
    awk -v n="$name" '$1 == "image" && $2 == n {print $4}' "$work/pages" | sort -n >"$work/got"
    cmp -s "$work/expected" "$work/got" || fail "$name: the pictures are not those of the best weights"
done
finish
