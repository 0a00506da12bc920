#!/bin/bash
# label: slow
# `ocelli export --certificate`: what ONNX Runtime computes with the certificate's own preprocessing passes both judges, in
# Python and in C, and so do Ocelli's logits; each deliberate mistake is named. OC_PYTHON names a python that has numpy,
# onnxruntime and PIL (and onnx and safetensors, for some of it); without one only the command's own behaviour is tested.
ocelli=$1
# shellcheck source=tests/support/shell.sh
. tests/support/shell.sh
python=${OC_PYTHON:-python3}
export PYTHONDONTWRITEBYTECODE=1
judge=("$python" tests/support/judge_certificate.py)
data=$work/data
quietly "$ocelli" data demo "$data" --classes 5 --per-class 40

# trained NAME FLAGS…: weights after some steps.
trained() {
    local name=$1
    shift
    quietly "$ocelli" train --data "$data" --size 64 --batch-size 8 --epochs 1 --max-steps 20 --no-report \
        --out "$work/run-$name" "$@"
}
trained crop --model resnet18 --stem 7x7
weights=$work/run-crop/best.safetensors
[[ -e $weights ]] || weights=$work/run-crop/last.safetensors

# Mistakes, and what is there stays.
cert=$work/certificate
mkdir "$work/mine"
echo precious >"$work/mine/certificate.json"
expect 1 'mine: .*another program' "$ocelli" export --weights "$weights" --certificate "$work/mine"
expect 2 'is what --timm names too' "$ocelli" export --weights "$weights" --timm "$cert" --certificate "$cert"
expect 1 'nowhere' "$ocelli" export --weights "$weights" --certificate "$cert" --data "$work/nowhere"
[[ ! -e $cert ]] || fail "a failed export left something"
quietly "$ocelli" export --weights "$weights" --certificate "$cert"
sums "$cert" >"$work/first"
quietly "$ocelli" export --weights "$weights" --certificate "$cert" --onnx "$work/model.onnx" --timm "$work/timm"
sums "$cert" | cmp -s - "$work/first" || fail "the same weights give another certificate"
cmp -s "$cert/model.onnx" "$work/model.onnx" || fail "model.onnx is not what --onnx writes"

"$python" -c 'import numpy, onnxruntime, PIL' 2>/dev/null || {
    echo "not judged with ONNX Runtime: $python cannot import numpy, onnxruntime and PIL"
    finish
    exit 0
}
has() {
    "$python" -c "import $1" 2>/dev/null
}

# both STATUS PATTERN CERTIFICATE CSV: the two judges agree.
both() {
    local status=0 judges=(python)
    ! command -v cc >/dev/null || judges+=(c)
    for way in "${judges[@]}"; do
        status=0
        if [[ $way == python ]]; then
            "$python" "$3/check.py" --logits "$4" >"$work/out" 2>&1 || status=$?
        else
            cc -o "$work/check" "$3/check.c" && "$work/check" "$4" >"$work/out" 2>&1 || status=$?
        fi
        [[ $status -eq $1 ]] || fail "$way: exits $status, not $1: $(tail -1 "$work/out")"
        grep -qE "$2" "$work/out" || fail "$way: '$(tail -1 "$work/out")' does not say $2"
    done
}

# certified CERTIFICATE: its own model.onnx is right.
certified() {
    "$python" "$1/check.py" >"$work/out" 2>&1 && grep -q '^right: 8 images' "$work/out" ||
        fail "$1: $(tail -1 "$work/out")"
    cat "$work/out"
}

# mistaken CERTIFICATE MISTAKE PATTERN
mistaken() {
    "${judge[@]}" "$1" "$2" "$work/logits.csv" || fail "$1 $2: no logits"
    both 1 "$3" "$1" "$work/logits.csv"
    echo "$2: $(cut -c1-150 "$work/out")"
}

certified "$cert"
mistaken "$cert" bgr 'blue, green, red'
mistaken "$cert" undivided 'not divided by 255'
mistaken "$cert" imagenet "normalisation by ImageNet's"
mistaken "$cert" half 'normalisation by mean 0.5'
mistaken "$cert" nearest 'resize takes the nearest pixel'
mistaken "$cert" bicubic 'resize is bicubic'
mistaken "$cert" aliased 'resize is bilinear without antialiasing'
mistaken "$cert" squash 'crop and squash are confused'
mistaken "$cert" crop 'shows the whole shorter side'
mistaken "$cert" order 'order of the classes is another'
mistaken "$cert" pillow "Images of the model's own size are right"
if has onnx; then
    mistaken "$cert" float16 'rounding'
    mistaken "$cert" weights 'Unknown cause'
fi

# Another model file, and what libocelli computes for the same images.
"$python" "$cert/check.py" "$work/model.onnx" >"$work/out" 2>&1 || fail "another file: $(tail -1 "$work/out")"
class=$(awk 'NR == 1 { print $1 }' "$data/wnids.txt")
mkdir -p "$work/set/train/$class" "$work/set/val/$class"
cp "$cert"/*.png "$work/set/train/$class"
cp "$cert"/*.png "$work/set/val/$class"
if has safetensors; then
    quietly "$ocelli" eval --data "$work/set" --weights "$weights" --save-logits "$work/logits"
    "${judge[@]}" csv "$work/logits" "$work/logits.csv" || fail "no CSV of Ocelli's logits"
    both 0 '^right: 8 images' "$cert" "$work/logits.csv"
fi

# A model that sees images whole, an ensemble of two that normalise otherwise, and images of a data set.
trained squash --model myresnet-tiny --set data.fit=squash --set data.mean=imagenet --set data.std=imagenet
quietly "$ocelli" export --weights "$work/run-squash/last.safetensors" --certificate "$work/squash"
certified "$work/squash"
mistaken "$work/squash" crop 'crop and squash are confused'
mistaken "$work/squash" pillow 'done in one step'
trained other --model myresnet-tiny --set data.mean=imagenet --set data.std=imagenet
quietly "$ocelli" ensemble --data "$data" --method mean --no-report --out "$work/both" "$weights" \
    "$work/run-other/last.safetensors"
quietly "$ocelli" export --weights "$work/both/best.safetensors" --certificate "$work/two"
certified "$work/two"
mistaken "$work/two" bgr 'blue, green, red'
quietly "$ocelli" export --weights "$weights" --certificate "$work/own" --data "$data"
certified "$work/own"
[[ $(grep -o '"from": "[^"]*"' "$work/own/certificate.json" | sort -u | wc -l) -eq 8 ]] || fail "not eight images of the data"
quietly "$ocelli" export --weights "$weights" --certificate "$work/own" --data "$work/set"
certified "$work/own"
for i in 1 2 3 4 5 6 7 8; do
    cmp -s "$cert/image-$i.png" "$work/own/image-$i.png" || fail "image $i is not as it was decoded"
done
finish
