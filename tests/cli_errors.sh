#!/bin/bash
# Bad input: one clear line that names the file or flag, exit status 1 or 2, and earlier files as they were.
ocelli=$1
# shellcheck source=tests/support/shell.sh
. tests/support/shell.sh
data=$work/data run=$work/run
first=$data/train/n90000001/images

quietly "$ocelli" data demo "$data" --classes 3 --per-class 8
train=("$ocelli" train --model myresnet-tiny --size 32 --batch-size 8 --epochs 1 --max-steps 1)
quietly "${train[@]}" --data "$data" --out "$run"
weights=$run/last.safetensors
before=$(sums "$run")

# copy: $broken is a fresh copy of the data set, to be damaged.
broken=$work/broken
copy() {
    rm -rf "$broken"
    cp -r "$data" "$broken"
}

echo "-- paths and data sets"
expect 1 "$work/nothing: " "$ocelli" train --data "$work/nothing" --out "$work/none"
expect 1 "$work/nothing: " "$ocelli" data info "$work/nothing"
expect 1 "$work/nothing: " "$ocelli" eval --data "$work/nothing" --weights "$weights"
expect 1 "$data: " "$ocelli" data demo "$data"
mkdir "$work/empty"
expect 1 "$work/empty: " "$ocelli" data info "$work/empty"
copy && rm "$broken/val/val_annotations.txt"
expect 1 "$broken/val" "${train[@]}" --data "$broken" --out "$work/none"
copy && rm -r "$broken/train/n90000002"
expect 1 "$broken.*n90000002" "${train[@]}" --data "$broken" --out "$work/none"
copy && rm -r "$broken/train/n90000002/images"
expect 1 "$broken.*n90000002" "${train[@]}" --data "$broken" --out "$work/none"
copy && rm "$broken/val/images/val_3.JPEG"
expect 1 "$broken.*val_3.JPEG" "${train[@]}" --data "$broken" --out "$work/none"
copy && sed -i '4s/.*/no tabs in this line/' "$broken/val/val_annotations.txt"
expect 1 "$broken/val/val_annotations.txt:4: " "${train[@]}" --data "$broken" --out "$work/none"
copy && sed -i '2s/n9000000[0-9]/n12345678/' "$broken/val/val_annotations.txt"
expect 1 "$broken.*n12345678" "${train[@]}" --data "$broken" --out "$work/none"
printf 'PK\003\004 is no zip' >"$work/fake.zip"
expect 1 "$work/fake.zip: " "$ocelli" data info "$work/fake.zip"

echo "-- how algorithms are chosen"
expect 2 "--tune: .fast. is not off, quick or full" "${train[@]}" --data "$data" --out "$work/none" --tune fast
expect 1 "$data/wnids.txt: this is no plan" "${train[@]}" --data "$data" --out "$work/none" --plan "$data/wnids.txt"
expect 2 "--plan: a run that is resumed" "$ocelli" train --data "$data" --out "$run" --resume --plan "$run/plan.txt"
[[ -e $work/none ]] && fail "a refused training made a run folder"

echo "-- images"
copy
images=("$broken/train/n90000001/images"/*.JPEG)
: >"${images[0]}"
head -c 400 "$first/n90000001_1.JPEG" >"${images[1]}"
echo "this is a text" >"${images[2]}"
cp fuzz/seeds/fuzz_decode/twelve-bits.jpg "${images[3]}"
expect 1 "$broken" "${train[@]}" --data "$broken" --out "$work/none"
[[ -e $work/none ]] && fail "a refused training made a run folder"
for i in 0 1 2 3; do
    grep -q "$(basename "${images[$i]}").*: " "$work/err" || fail "the bad image $i is not listed: $(cat "$work/err")"
done
grep -qi "empty" "$work/err" || fail "no bad image is called empty"
grep -qi "truncated" "$work/err" || fail "no bad image is called truncated"
grep -qi "12 bits" "$work/err" || fail "no bad image is said to have 12 bits a sample"
quietly "${train[@]}" --data "$broken" --out "$work/skipped" --skip-bad
grep -qE '\b4\b.*images' "$work/err" || fail "--skip-bad does not say how many: $(cat "$work/err")"
expect 1 '4 of the images' "$ocelli" predict --weights "$weights" "${images[@]}"
[[ $(grep -c '^ocelli: warning: ' "$work/err") -eq 4 ]] || fail "predict does not name the four bad images"
expect 1 "$work/nothing: " "$ocelli" predict --weights "$weights" "${images[5]}" "$work/nothing"

echo "-- recipes and flags"
bad_recipe() {
    printf '%b' "$1" >"$work/bad.yaml"
    expect 2 "$work/bad.yaml:$2: .*$3" "${train[@]}" --data "$data" --out "$work/none" --recipe "$work/bad.yaml"
}
bad_recipe 'train:\n  epochs: 3\n  bach_size: 8\n' 3 'batch_size'
bad_recipe 'train:\n  epochs: many\n' 2 'many'
bad_recipe 'optimizer:\n  name: adamw\n  lr: -1\n' 3 'lr'
bad_recipe 'optimizer:\n  name: adam\n' 2 'adamw'
bad_recipe 'train: [\n' '[12]' ''
expect 1 "$work/nothing.yaml: " "${train[@]}" --data "$data" --recipe "$work/nothing.yaml"
expect 2 'optimizer.lrr.*optimizer.lr' "${train[@]}" --data "$data" --set optimizer.lrr=1
expect 2 'optimizer.lr.*fast' "${train[@]}" --data "$data" --set optimizer.lr=fast
expect 2 '-*lr: .*100' "${train[@]}" --data "$data" --lr 100
expect 2 '-*set: ' "${train[@]}" --data "$data" --set optimizer.lr
expect 2 'myresnet-smal.*myresnet-small' "${train[@]}" --data "$data" --model myresnet-smal
expect 2 '-*max-time: .*soon' "${train[@]}" --data "$data" --max-time soon
expect 2 '-*threads: .*none' "${train[@]}" --data "$data" --threads none
expect 2 '-*save-every: ' "${train[@]}" --data "$data" --save-every 0
expect 2 '-*data: ' "${train[@]}"
expect 2 '-*weights: ' "$ocelli" eval --data "$data"
expect 2 '-*top-k: ' "$ocelli" predict --weights "$weights" --top-k 4 "${images[5]}"
expect 2 '-*format: .*csv' "$ocelli" predict --weights "$weights" --format csw "${images[5]}"
expect 2 '(batch|size)' "${train[@]}" --data "$data" --batch-size 1000 --out "$work/none"

echo "-- run folders"
expect 1 "$run: .*--resume" "${train[@]}" --data "$data" --out "$run"
resume=("$ocelli" train --data "$data" --out "$run" --resume --max-steps 2)
expect 1 'optimizer.lr.*0.001.*0.002|optimizer.lr.*0.002.*0.001' "${resume[@]}" --lr 0.002
expect 1 'train.seed' "${resume[@]}" --seed 9
copy && rm -r "$broken/train/n90000003" && sed -i /n90000003/d "$broken"/wnids.txt "$broken"/val/val_annotations.txt
expect 1 '.' "$ocelli" train --data "$broken" --out "$run" --resume --max-steps 2
cp -r "$run" "$work/damaged"
printf 'X' | dd of="$work/damaged/state.safetensors" bs=1 seek=1000000 conv=notrunc 2>/dev/null
expect 1 "$work/damaged/state.safetensors: " "$ocelli" train --data "$data" --out "$work/damaged" --resume
echo "a file" >"$work/file"
expect 1 "$work/file" "${train[@]}" --data "$data" --out "$work/file/run"

echo "-- weights"
expect 1 "$work/nothing: " "$ocelli" eval --data "$data" --weights "$work/nothing"
expect 1 "$weights: " "$ocelli" eval --data "$data" --weights "$weights" --model myresnet-base
expect 1 "$weights: .*fc.1.weight" "$ocelli" eval --data "$data" --weights "$weights" --size 64
expect 1 '-*classes: .*4.*3' "$ocelli" eval --data "$data" --weights "$weights" --model myresnet-tiny --classes 4
printf 'n90000001\nn90000002\nn1\n' >"$work/classes.txt"
expect 1 "$weights: .*n90000003" "$ocelli" eval --data "$data" --weights "$weights" --classes "$work/classes.txt"
printf '\xef\xbb\xbfn90000001\nn90000002\nn90000003\n' >"$work/classes.txt"
quietly "$ocelli" eval --data "$data" --weights "$weights" --classes "$work/classes.txt"
printf '<!DOCTYPE html>\n<html>404</html>\n' >"$work/page"
expect 1 "$work/page: this is a web page" "$ocelli" eval --data "$data" --weights "$work/page"
expect 1 "$work/file.*--cache DIR" env -u XDG_CACHE_HOME HOME="$work/file" "$ocelli" data pack "$data"
quietly "$ocelli" data demo "$work/four" --classes 4 --per-class 4
expect 1 'n90000004' "$ocelli" eval --data "$work/four" --weights "$weights"
size=$(stat -c %s "$weights")
for cut in 0 1 7 8 100 2000 $((size / 2)) $((size - 1)); do
    head -c "$cut" "$weights" >"$work/cut.safetensors"
    expect 1 "$work/cut.safetensors: " "$ocelli" eval --data "$data" --weights "$work/cut.safetensors"
done
for place in 0 9 60 500 3000 $((size / 2)) $((size - 1)); do
    cp "$weights" "$work/changed.safetensors"
    printf '\x5a' | dd of="$work/changed.safetensors" bs=1 seek="$place" conv=notrunc 2>/dev/null
    cmp -s "$weights" "$work/changed.safetensors" && continue
    expect 1 "$work/changed.safetensors: " "$ocelli" predict --weights "$work/changed.safetensors" "${images[5]}"
done

echo "-- flags and names that are nearly right, and data sets that people bring"
expect 2 '-*classes: .*-3' "$ocelli" eval --data "$data" --weights "$weights" --model myresnet-tiny --classes -3
expect 2 'did you mean .*resnet18' "$ocelli" models RESNET18
ensemble=("$ocelli" ensemble --data "$data" --out "$work/none")
expect 2 '-*init: .*stack.*mean' "${ensemble[@]}" --method mean --init random "$weights" "$weights"
expect 2 '-*epochs: .*stack.*weighted' "${ensemble[@]}" --method weighted --epochs 1 "$weights" "$weights"
expect 2 '-*seed: .*stack.*mean' "${ensemble[@]}" --method=mean --seed 0 "$weights" "$weights"
expect 2 "$run/./last.safetensors: .*twice" "${ensemble[@]}" "$weights" "$run/best.safetensors" "$run/./last.safetensors"
tar -C "$work" -czf "$work/data.tar.gz" data
expect 1 "$work/data.tar.gz: .*gzip.*only folders and zip" "${train[@]}" --data "$work/data.tar.gz" --out "$work/none"
mkdir -p "$work/own"/{train,val}/a "$work/own/train/b"
cp "${images[5]}" "$work/own/train/a" && cp "${images[5]}" "$work/own/val/a"
expect 1 "$work/own/train: class b .*remove the empty folder" "${train[@]}" --data "$work/own" --out "$work/none"
mv "$work/own/train/b" "$work/own/train/"$'cl\xe4ss' && cp "${images[5]}" "$work/own/train/"$'cl\xe4ss'
expect 1 "$work/own/train: .*cl.xe4ss.*not UTF-8: rename" "${train[@]}" --data "$work/own" --out "$work/none"

echo "-- a setting that only the model or the data refuses: where it was set, and before anything is decoded"
printf 'model:\n  name: resnt18\n' >"$work/model.yaml"
unused=("$ocelli" train --data "$data" --out "$work/none" --cache "$work/unused")
expect 2 "$work/model.yaml:2: .*resnt18" "${unused[@]}" --recipe "$work/model.yaml"
expect 2 '-*size: .*33' "${unused[@]}" --size 33
expect 2 '-*batch-size: .*1000' "${unused[@]}" --size 32 --batch-size 1000
[[ -e $work/unused ]] && fail "a refused training decoded images"

echo "-- what eval and predict read and write: nothing that is read is overwritten, and no flag is idle"
one=$data/val/images/val_0.JPEG
cp "$weights" "$work/kept" && cp "$weights" "$work/second"
eval=("$ocelli" eval --data "$data" --weights "$work/kept")
submit=("$ocelli" predict --data "$data" --weights "$work/kept")
predict=("$ocelli" predict --weights "$work/kept")
data_before=$(sums "$data")
ln -s kept "$work/link"
for name in kept link data/../kept; do
    expect 2 "-*submission: $work/$name .*--weights" "${submit[@]}" --submission "$work/$name"
    expect 2 "-*save-logits: $work/$name .*--weights" "${eval[@]}" --save-logits "$work/$name"
done
expect 2 '-*save-logits: .*--paired' "${eval[@]}" --paired "$work/second" --save-logits "$work/second"
cp "$work/data.tar.gz" "$work/packed.zip" && ln "$work/packed.zip" "$work/same.zip"
expect 2 '-*submission: .*--data' "${submit[@]}" --data "$work/packed.zip" --submission "$work/same.zip"
for name in val/val_annotations.txt val/images/val_0.JPEG ../data/wnids.txt; do
    expect 2 '-*submission: .*--data' "${submit[@]}" --submission "$data/$name"
    expect 2 '-*save-logits: .*--data' "${eval[@]}" --save-logits "$data/$name"
done
for path in kept second; do cmp -s "$weights" "$work/$path" || fail "$path was overwritten"; done
cmp -s "$work/data.tar.gz" "$work/packed.zip" || fail "the data set's zip was overwritten"
[[ $(sums "$data") == "$data_before" ]] || fail "files of the data set were overwritten"
mkfifo "$work/pipe"
expect 1 "$work/pipe: .*pipe" "${submit[@]}" --submission "$work/pipe"
expect 1 "$work/pipe: .*pipe" "${eval[@]}" --save-logits "$work/pipe"
[[ -p $work/pipe ]] || fail "a pipe was replaced"
ln -s real.csv "$work/link.csv"
quietly "${submit[@]}" --split val --submission "$work/link.csv"
[[ -L $work/link.csv && $(head -1 "$work/real.csv") == id,pred ]] || fail "a link was replaced, not its target"
for flag in --top-k=1 --format=csv --words="$data/words.txt"; do
    expect 2 "${flag%=*}: .*--submission" "${submit[@]}" --submission "$work/idle" "$flag"
done
for flag in --split=val --cache="$work/idle" --tta; do
    expect 2 "${flag%=*}: .*--submission" "${predict[@]}" "$flag" "$one"
done
expect 2 '-*precision: .*"fp8": the precisions are' "${eval[@]}" --precision fp8
expect 2 '-*precision: .*"fp8": the precisions are' "${submit[@]}" --submission "$work/idle" --precision fp8
expect 2 '-*precision: .*"fp8": the precisions are' "${predict[@]}" "$one" --precision fp8
expect 2 'nowhere.*train, val, test' "${eval[@]}" --split nowhere
expect 2 'did you mean val' "${submit[@]}" --split vall --submission "$work/idle"
expect 2 '"val" is named twice' "${submit[@]}" --split val,test,val --submission "$work/idle"
[[ -e $work/idle ]] && fail "a refused prediction wrote a file"
expect 1 "$one: .*no text" "${predict[@]}" --words "$one" "$one"
expect 1 "$data/wnids.txt: .*tab" "${predict[@]}" --words "$data/wnids.txt" "$one"
expect 1 "$one: .*no text" "${predict[@]}" --classes "$one" --model myresnet-tiny "$one"
expect 1 "$work/kept: .*n90000004" "$ocelli" eval --data "$work/four" --weights "$work/kept"
expect 1 "$run/state.safetensors: .*last.safetensors" "${predict[@]}" --weights "$run/state.safetensors" "$one"
header='{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
printf '%b%s\0\0\0\0' "\\x$(printf %x ${#header})\\0\\0\\0\\0\\0\\0\\0" "$header" >"$work/bare"
expect 2 "$work/bare: .*--model NAME and --classes" "${predict[@]}" --weights "$work/bare" "$one"
expect 2 "$work/bare: .*pass --classes" "${predict[@]}" --weights "$work/bare" --model resnet18 "$one"
expect 2 "$work/bare: .*pass --model NAME$" "${predict[@]}" --weights "$work/bare" --classes 3 "$one"
expect 2 "$work/bare: .*which model and classes it is$" "${eval[@]}" --paired "$work/bare"
expect 2 "$work/bare: .*which model and classes it is$" "${ensemble[@]}" "$weights" "$work/bare"
cp "$one" "$work/"$'a\e[31m\nb,.JPEG'
printf 'n90000001\tred\e[31m\nn90000002\tred\e[31m\nn90000003\tred\e[31m\n' >"$work/red.txt"
quietly "${predict[@]}" --words "$work/red.txt" "$work"/a*.JPEG
grep -q $'\e' "$work/out" && fail "control codes of names reach the terminal"
[[ $(wc -l <"$work/out") -eq 4 && $(grep -cF 'red?[31m' "$work/out") -eq 3 ]] || fail "names: $(cat -v "$work/out")"
quietly "${predict[@]}" --format csv --top-k 1 "$work"/a*.JPEG
grep -q '^b,.JPEG",1,n9000000[123],n9000000[123],' "$work/out" || fail "a name with a comma: $(cat -v "$work/out")"

echo "-- output"
"${train[@]}" --data "$data" --out "$work/closed" <&- >&- 2>&-
[[ $(awk -F, '{ print NF }' "$work/closed/metrics.csv" | sort -u) == 17 ]] || fail "what was printed got into metrics.csv"
[[ $(awk -F, '{ print NF }' "$work/closed/steps.csv" | sort -u) == 3 ]] || fail "what was printed got into steps.csv"
expect 1 "$work/file/s.csv" "$ocelli" predict --weights "$weights" --data "$data" --submission "$work/file/s.csv"
expect 1 "$work/file/l" "$ocelli" eval --data "$data" --weights "$weights" --save-logits "$work/file/l"
if [[ -w /dev/full ]]; then
    expect 1 'standard output' bash -c '"$@" >/dev/full' full "$ocelli" models
fi

[[ -e $work/none ]] && fail "a refused training made a run folder"
[[ $(sums "$run") == "$before" ]] || fail "files of the run were touched"
finish
