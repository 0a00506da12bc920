#!/bin/bash
# label: slow
# The comparisons of bench/ with PyTorch and ONNX Runtime on the smallest model: a table in Markdown with a row for each
# batch. OC_PYTHON names a python that has torch (and onnx, onnxruntime); without one they must say so in one line.
ocelli=$1
# shellcheck source=tests/support/shell.sh
. tests/support/shell.sh
python=${OC_PYTHON:-python3}
command -v "$python" >/dev/null || { echo "skipped: no $python here"; exit 77; }
common=(--ocelli "$ocelli" --model myresnet-tiny --size 32 --classes 10 --batch-size 4 --rounds 1 --steps 2 --markdown)

# comparison SCRIPT ROWS ARGUMENT...: runs it; its table has ROWS rows.
comparison() {
    local script=$1 rows=$2
    shift 2
    quietly "$python" "bench/$script" "${common[@]}" "$@" || return
    if grep -q ': skipped, ' "$work/out"; then
        [[ $(wc -l <"$work/out") -eq 1 ]] || fail "$script: skipped in more than one line: $(cat "$work/out")"
        cat "$work/out"
        return
    fi
    [[ $(grep -c '^| myresnet-tiny |' "$work/out") -eq $rows ]] || fail "$script $*: not $rows rows: $(cat "$work/out")"
    grep -q '^Geometric mean of the ratios: batch .*[0-9]' "$work/out" || fail "$script $*: no mean: $(cat "$work/out")"
}

comparison compare_pytorch.py 1 --no-compile
comparison compare_pytorch.py 2 --no-compile --infer --against bf16
comparison compare_onnxruntime.py 2
expect_usage() {
    "$python" "bench/$1" --model nonsense >"$work/out" 2>"$work/err" && fail "$1 takes any model"
    grep -q "myresnet-small" "$work/err" || fail "$1 does not list the models"
}
expect_usage compare_pytorch.py
expect_usage compare_onnxruntime.py
finish
