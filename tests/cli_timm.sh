#!/bin/bash
# label: slow
# timm and PyTorch as judges of weights files: what they save scores the same here, whatever its precision, and what is
# written here they load with strict=True and score the same. OC_PYTHON names a python that has timm, safetensors and
# PIL; without one the test is skipped.
ocelli=$1
# shellcheck source=tests/support/shell.sh
. tests/support/shell.sh
python=${OC_PYTHON:-python3}
"$python" -c 'import PIL, safetensors.torch, timm' 2>/dev/null || {
    echo "skipped: $python cannot import timm, safetensors and PIL"
    exit 77
}
data=$work/data
quietly "$ocelli" data demo "$data" --classes 4 --per-class 8

# compare MODEL STEM POOL FILE: scores of the file here and there.
compare() {
    judge compare "$1" "$2" "$3" "$4" "$work/logits" "$data/val" >"$work/out" 2>"$work/err" ||
        fail "$1 $2: $(cat "$work/out") $(tail -1 "$work/err")"
    cat "$work/out"
}

# From timm, and back to it.
while read -r model stem pool dtype; do
    quietly judge make "$model" "$stem" "$pool" 4 "$dtype" "$work/timm" || continue
    flags=(--model "$model" --classes 4 --size 64 --stem "$stem")
    [[ $pool == true ]] || flags+=(--no-stem-pool)
    quietly "$ocelli" eval --data "$data" --weights "$work/timm" "${flags[@]}" --save-logits "$work/logits"
    compare "$model" "$stem" "$pool" "$work/timm"
done <<'END'
seresnet18 3x3 true f32
skresnet18 3x3 true f16
seresnext26d_32x4d deep true bf16
resnet18 7x7 true f32
resnet26d 3x3 false f16
END

# Trained here on from there, with another head; what is written loads there.
while read -r model stem pool; do
    quietly judge make "$model" "$stem" "$pool" 7 f32 "$work/timm" || continue
    flags=(--model "$model" --stem "$stem")
    [[ $pool == true ]] || flags+=(--no-stem-pool)
    quietly "$ocelli" train --data "$data" --weights "$work/timm" "${flags[@]}" --size 64 --batch-size 8 --epochs 1 \
        --max-steps 3 --out "$work/run-$model"
    grep -q "fc.*begins anew" "$work/out" "$work/err" || fail "$model: no note on the new head"
    last=$work/run-$model/last.safetensors
    quietly "$ocelli" eval --data "$data" --weights "$last" --save-logits "$work/logits"
    compare "$model" "$stem" "$pool" "$last"
    grep -q "num_batches_tracked \[3\]" "$work/out" || fail "$model: $(cat "$work/out")"
done <<'END'
skresnet18 3x3 true
seresnext26d_32x4d deep true
seresnet18 7x7 false
END
finish
