#!/bin/bash
# label: slow
# `ocelli export --onnx`: ONNX Runtime computes what ocelli does, for every model and an ensemble of six, with images
# prepared outside and inside. OC_PYTHON names a python that has onnxruntime, safetensors and PIL; without one only
# the command's own behaviour is tested.
ocelli=$1
# shellcheck source=tests/support/shell.sh
. tests/support/shell.sh
python=${OC_PYTHON:-python3}
data=$work/data
quietly "$ocelli" data demo "$data" --classes 4 --per-class 40

# trained MODEL: its weights after two steps, so that running statistics are its own.
trained() {
    quietly "$ocelli" train --data "$data" --model "$1" --size 64 --batch-size 16 --epochs 1 --max-steps 2 --no-report \
        --out "$work/run-$1"
}

# Mistakes, and what is there stays.
trained myresnet-tiny
weights=$work/run-myresnet-tiny/last.safetensors
expect 2 '--onnx: is needed' "$ocelli" export --weights "$weights"
expect 2 '--weights: ' "$ocelli" export --onnx "$work/a.onnx"
expect 1 'none.safetensors' "$ocelli" export --weights "$work/none.safetensors" --onnx "$work/a.onnx"
expect 2 'is the weights file itself' "$ocelli" export --weights "$weights" --onnx "$weights"
expect 1 'missing' "$ocelli" export --weights "$weights" --onnx "$work/missing/a.onnx"
echo precious >"$work/a.onnx"
head -c 100000 "$weights" >"$work/cut.safetensors"
expect 1 'cut.safetensors' "$ocelli" export --weights "$work/cut.safetensors" --onnx "$work/a.onnx"
[[ $(cat "$work/a.onnx") == precious ]] || fail "a failed export touched what was there"
quietly "$ocelli" export --weights "$weights" --onnx "$work/a.onnx"
quietly "$ocelli" export --weights "$weights" --onnx "$work/b.onnx"
cmp -s "$work/a.onnx" "$work/b.onnx" || fail "the same weights give different files"

"$python" -c 'import onnxruntime, PIL, safetensors' 2>/dev/null || {
    echo "not compared with ONNX Runtime: $python cannot import onnxruntime, safetensors and PIL"
    finish
    exit 0
}

# judged WEIGHTS: both ways of preparing images.
judged() {
    quietly "$ocelli" eval --data "$data" --weights "$1" --save-logits "$work/logits" || return
    for way in "" --with-preprocessing; do
        # shellcheck disable=SC2086
        quietly "$ocelli" export --weights "$1" --onnx "$work/model.onnx" $way || return
        "$python" tests/support/judge_onnx.py "$work/model.onnx" "$work/logits" "$data/val" >"$work/out" 2>"$work/err" ||
            fail "$1 $way: $(cat "$work/out") $(tail -1 "$work/err")"
        cat "$work/out"
    done
}

members=()
for model in $("$ocelli" models | awk 'NR > 1 { print $1 }'); do
    [[ $model == myresnet-tiny ]] || trained "$model"
    judged "$work/run-$model/last.safetensors"
done
for model in myresnet-small myresnet-base seresnet18 seresnet34 skresnet18 seresnext26d_32x4d; do
    members+=("$work/run-$model/last.safetensors")
done
for method in stack weighted mean; do
    quietly "$ocelli" ensemble --data "$data" --method "$method" --no-report --out "$work/$method" \
        "${members[@]}"
    judged "$work/$method/best.safetensors"
done
finish
