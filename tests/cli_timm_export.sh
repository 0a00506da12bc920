#!/bin/bash
# label: slow
# `ocelli export --timm`: timm opens the folder, by itself or by its load.py, computes from images that it prepares itself
# what `ocelli eval` computes, and what it saves from there scores the same here. OC_PYTHON names a python that has timm,
# safetensors and PIL; without one only the command's own behaviour is tested.
ocelli=$1
# shellcheck source=tests/support/shell.sh
. tests/support/shell.sh
python=${OC_PYTHON:-python3}
data=$work/data
quietly "$ocelli" data demo "$data" --classes 4 --per-class 16

# trained NAME FLAGS…: weights after three steps, so that running statistics are their own.
trained() {
    local name=$1
    shift
    quietly "$ocelli" train --data "$data" --size 64 --batch-size 8 --epochs 1 --max-steps 3 --no-report \
        --out "$work/run-$name" "$@"
}

# Mistakes, and what is there stays.
trained plain --model resnet18 --stem 7x7
weights=$work/run-plain/last.safetensors
timm=$work/timm
expect 2 '--onnx: is needed, or --timm or --certificate' "$ocelli" export --weights "$weights"
expect 2 'is what --onnx names too' "$ocelli" export --weights "$weights" --onnx "$timm" --timm "$timm"
expect 2 'crop-pct: .*not above 0' "$ocelli" export --weights "$weights" --timm "$timm" --crop-pct 1.5
expect 2 'crop-pct: .*not above 0' "$ocelli" export --weights "$weights" --timm "$timm" --crop-pct half
expect 1 'missing' "$ocelli" export --weights "$weights" --timm "$work/missing/timm"
mkdir "$work/mine"
echo precious >"$work/mine/notes.txt"
expect 1 "mine: .*'notes.txt'" "$ocelli" export --weights "$weights" --timm "$work/mine"
mv "$work/mine/notes.txt" "$work/mine/config.json"
expect 1 'mine: .*another program' "$ocelli" export --weights "$weights" --timm "$work/mine"
expect 1 'config.json: .*is a file' "$ocelli" export --weights "$weights" --timm "$work/mine/config.json"
[[ $(cat "$work/mine/config.json") == precious && $(ls "$work/mine") == config.json ]] || fail "what was there is changed"
quietly "$ocelli" export --weights "$weights" --timm "$timm/"
sums "$timm" >"$work/first"
head -c 100000 "$weights" >"$work/cut.safetensors"
expect 1 'cut.safetensors' "$ocelli" export --weights "$work/cut.safetensors" --timm "$timm"
sums "$timm" | cmp -s - "$work/first" || fail "a failed export touched what was there"
quietly "$ocelli" export --weights "$weights" --timm "$timm" --onnx "$work/model.onnx"
sums "$timm" | cmp -s - "$work/first" || fail "the same weights give another folder"
[[ -s $work/model.onnx ]] || fail "no ONNX file beside the folder"
ln -s timm "$work/link"
quietly "$ocelli" export --weights "$weights" --timm "$work/link" --crop-pct 0.8
[[ -L $work/link ]] && grep -q '"crop_pct": 0.8' "$timm/config.json" || fail "the link is not followed"
[[ -z $(find "$work" -name '*.tmp.*') ]] || fail "temporary folders are left behind"
printf 'n90000002\tan apple\n' >"$work/words.txt"
quietly "$ocelli" export --weights "$weights" --timm "$timm" --words "$work/words.txt"
grep -q '"n90000002": "an apple"' "$timm/config.json" || fail "no words in config.json"
# A data set's images say what timm is to show of one.
"$ocelli" export --weights "$weights" --certificate "$work/painted" >/dev/null || fail "no certificate"
for size in small large; do mkdir -p "$work/$size/train/n90000001" "$work/$size/val/n90000001"; done
cp "$work"/painted/image-[234].png "$work/large/val/n90000001/"
cp "$work"/painted/image-[56].png "$work/small/val/n90000001/"
for size in small large; do
    cp "$work/$size"/val/n90000001/* "$work/$size/train/n90000001/"
    quietly "$ocelli" export --weights "$weights" --timm "$timm" --data "$work/$size"
    grep -q "\"crop_pct\": $([[ $size == large ]] && echo 0.8 || echo 1.0)" "$timm/config.json" ||
        fail "$size images: $(grep crop_pct "$timm/config.json")"
done
trained tiny --model myresnet-tiny
expect 2 "which timm does not have: use --onnx" "$ocelli" export --weights "$work/run-tiny/last.safetensors" \
    --timm "$timm"
quietly "$ocelli" ensemble --data "$data" --method mean --no-report --out "$work/both" "$weights" \
    "$work/run-tiny/last.safetensors"
expect 2 "an ensemble is no model of timm's" "$ocelli" export --weights "$work/both/best.safetensors" --timm "$timm"

"$python" -c 'import PIL, safetensors.torch, timm' 2>/dev/null || {
    echo "not compared with timm: $python cannot import timm, safetensors and PIL"
    finish
    exit 0
}
# Class folders of PNG files: two decoders of JPEG need not agree to the last bit.
judge png "$data/val/images" "$work/flat" || fail "no PNG files"
while read -r name class _; do
    mkdir -p "$work/set/val/$class" "$work/set/train/$class"
    cp "$work/flat/${name%.*}.png" "$work/set/val/$class/"
    cp "$work/flat/${name%.*}.png" "$work/set/train/$class/"
done <"$data/val/val_annotations.txt"

# triple KEY DIR: three numbers of config.json as --set takes them.
triple() {
    sed -n "/\"$1\"/,/]/p" "$2/config.json" | tr -dc '0-9.,' | sed 's/,$//'
}

while read -r name model stem pool fit; do
    flags=(--model "$model")
    [[ $stem == own ]] || flags+=(--stem "$stem")
    [[ $pool == true ]] || flags+=(--no-stem-pool)
    [[ $name == plain ]] || trained "$name" "${flags[@]}" --set "data.fit=$fit"
    weights=$work/run-$name/last.safetensors timm=$work/timm-$name
    quietly "$ocelli" eval --data "$work/set" --weights "$weights" --save-logits "$work/logits"
    quietly "$ocelli" export --weights "$weights" --timm "$timm" || continue
    if [[ -e $timm/load.py ]]; then
        judge fails "$timm" >"$work/out" 2>&1 || fail "$name opens plainly: $(tail -1 "$work/out")"
    fi
    judge open "$timm" "$work/logits" "$work/set/val" "$work/again.safetensors" >"$work/out" 2>"$work/err" ||
        fail "$name: $(cat "$work/out") $(tail -1 "$work/err")"
    cat "$work/out"
    # And back: what timm saves is the same network.
    quietly "$ocelli" eval --data "$work/set" --weights "$work/again.safetensors" "${flags[@]}" --classes 4 --size 64 \
        --set "data.fit=$fit" --set "data.mean=$(triple mean "$timm")" --set "data.std=$(triple std "$timm")" \
        --save-logits "$work/back"
    judge same "$work/logits" "$work/back" >"$work/out" 2>&1 || fail "$name, back: $(tail -1 "$work/out")"
done <<'END'
plain resnet18 7x7 true crop
small resnet18 3x3 true crop
deep seresnext26d_32x4d own true squash
sk skresnet18 own false letterbox
swapped resnet26d 7x7 true crop
bare resnet18 7x7 false crop
END
finish
