#!/bin/bash
# label: slow
# From a generated data set to a submission, by the command alone.
ocelli=$1
# shellcheck source=tests/support/shell.sh
. tests/support/shell.sh
data=$work/data run=$work/run
best=$run/best.safetensors

quietly "$ocelli" data demo "$data" --classes 3 --per-class 16 --seed 5
for file in words.txt wnids.txt val/val_annotations.txt train/n90000001/images; do
    [[ -e $data/$file ]] || fail "the demo has no $file"
done
"$ocelli" data demo "$work/again" --classes 3 --per-class 16 --seed 5 --threads 1 >/dev/null 2>&1
diff -r "$data" "$work/again" >/dev/null || fail "the same demo twice differs"
quietly "$ocelli" data info "$data"
grep -q "images *48" "$work/out" || fail "data info does not count 48 training images"
quietly "$ocelli" data info "$data" --json
[[ $(number images) == 48 && $(grep -c '"classes":\["n90000001","n90000002","n90000003"\]' "$work/out") -eq 1 ]] ||
    fail "data info --json: $(head -c 300 "$work/out")"
quietly "$ocelli" data pack "$data" --size 32
quietly "$ocelli" data pack "$data" --size 32 --verify

quietly "$ocelli" train --data "$data" --model myresnet-tiny --size 32 --batch-size 16 --epochs 2 --lr 5e-4 \
    --set mixup.alpha=0 --out "$run"
# Not a terminal: no control codes.
LC_ALL=C grep -q "$(printf '[\001-\010\013-\037]')" "$work/out" "$work/err" && fail "control codes without a terminal"
grep -q "results in $run" "$work/out" || fail "train does not say where the results are"
for file in recipe.yaml metrics.csv steps.csv best.safetensors last.safetensors state.safetensors log.txt; do
    [[ -s $run/$file ]] || fail "the run folder has no $file"
done
compgen -G "$run/events.out.tfevents.*" >/dev/null || fail "the run folder has no events file"
[[ $(wc -l <"$run/metrics.csv") -eq 4 ]] || fail "metrics.csv has not a header and 3 rows"
[[ $(wc -l <"$run/steps.csv") -eq 7 ]] || fail "steps.csv has not a header and 6 rows"
[[ $(awk -F, '{print NF}' "$run/metrics.csv" | sort -u) == 17 ]] || fail "metrics.csv is no table of 17 columns"
grep -q '0.0005' "$run/recipe.yaml" || fail "recipe.yaml does not have --lr"

# A finished run has nothing left to do.
before=$(sums "$run" | grep safetensors)
quietly "$ocelli" train --data "$data" --resume --out "$run"
[[ $(sums "$run" | grep safetensors) == "$before" ]] || fail "resuming a finished run changes its weights"
# The saved recipe alone repeats the run.
quietly "$ocelli" train --data "$data" --recipe "$run/recipe.yaml" --out "$work/repeated"
cmp -s "$run/last.safetensors" "$work/repeated/last.safetensors" || fail "the saved recipe does not repeat the run"

quietly "$ocelli" eval --data "$data" --weights "$best"
grep -q "^top-1  *[01]\.[0-9]" "$work/out" || fail "eval prints no top-1"
quietly "$ocelli" eval --data "$data" --weights "$best" --json --save-logits "$work/logits.safetensors"
holds "$(number images) == 15 && $(number top1) >= 0 && $(number top1) <= 1 && $(number top5) == 1 && $(number loss) > 0" ||
    fail "eval --json: $(cat "$work/out")"
[[ -s $work/logits.safetensors ]] || fail "no logits were saved"
# What eval says of the best weights is what the run recorded of its best epoch.
recorded=$(awk -F, 'NR > 1 && $7 > best {best = $7} END {printf "%.4f", best}' "$run/metrics.csv")
evaluated=$(printf '%.4f' "$(number top1)")
[[ $recorded == "$evaluated" ]] || fail "the run's best top-1 is $recorded, eval says $evaluated"

images=("$data"/val/images/*)
quietly "$ocelli" predict --weights "$best" --top-k 2 "${images[0]}"
[[ $(wc -l <"$work/out") -eq 3 ]] || fail "predict does not print a path and two guesses"
quietly "$ocelli" predict --weights "$best" --data "$data" --format csv "$data/val/images"
[[ $(wc -l <"$work/out") -eq 46 ]] || fail "predict --format csv has not 1 + 15 x 3 lines"
grep -q '^[^,]*,1,n9000000[123],"\{0,1\}[a-z]' "$work/out" || fail "predict --data gives no human names"
quietly "$ocelli" predict --weights "$best" --words "$data/words.txt" --format json "${images[@]:0:3}"
[[ $(grep -o '"image":' "$work/out" | wc -l) -eq 3 && $(grep -o '"probability":' "$work/out" | wc -l) -eq 9 ]] ||
    fail "predict --format json: $(head -c 300 "$work/out")"
grep -q '"class":"n90000001","name":"[a-z]' "$work/out" || fail "predict --words gives no human names"

# --precision, or else the recipe's: bf16 makes other probabilities than fp32, and the same either way.
for flags in '' '--precision bf16' '--set train.precision=bf16' '--set train.precision=bf16 --precision fp32'; do
    # shellcheck disable=SC2086
    quietly "$ocelli" predict --weights "$best" --format csv $flags "${images[0]}"
    mv "$work/out" "$work/guesses${flags//[^a-z0-9]/-}"
done
cmp -s "$work/guesses" "$work/guesses--precision-bf16" && fail "predict --precision bf16 computes in fp32"
cmp "$work/guesses--set-train-precision-bf16" "$work/guesses--precision-bf16" || fail "predict ignores train.precision"
cmp "$work/guesses--set-train-precision-bf16---precision-fp32" "$work/guesses" || fail "predict ignores --precision"

quietly "$ocelli" predict --weights "$best" --data "$data" --submission "$work/submission.csv"
[[ $(head -1 "$work/submission.csv") == "id,pred" ]] || fail "the submission's header is wrong"
[[ $(sed -n 2,16p "$work/submission.csv" | grep -c '^val_[0-9]*\.JPEG,n9000000[123]$') -eq 15 ]] ||
    fail "the submission does not begin with the validation images"
quietly "$ocelli" predict --weights "$best" --data "$data" --submission "$work/bf16.csv" --precision bf16
[[ $(wc -l <"$work/bf16.csv") -eq $(wc -l <"$work/submission.csv") ]] || fail "a submission in bf16 is not whole"
[[ $(sed 1,16d "$work/submission.csv" | grep -vc '^test_[0-9]*\.JPEG,n9000000[123]$') -eq 0 ]] ||
    fail "the submission does not end with the test images"

quietly "$ocelli" models
grep -q "myresnet-tiny *170,296" "$work/out" || fail "models does not count the parameters of the smallest"
grep -q "myresnet-small *7,957,320" "$work/out" || fail "models does not count the parameters"
quietly "$ocelli" models myresnet-base
grep -q "^total *30,991,816" "$work/out" || fail "models myresnet-base does not add up"
quietly "$ocelli" models myresnet-small --tensors
grep -q "^fc.1.weight *200x2048" "$work/out" || fail "models --tensors does not list fc.1.weight"

# A foreign weights file, without metadata of ours, works with --model and --classes.
quietly "$ocelli" eval --data "$data" --weights "$best" --model myresnet-tiny --classes 3
quietly "$ocelli" bench --model myresnet-small --batch-size 4 --size 32 --classes 10 --steps 2 --json
holds "$(number images_per_second) > 0 && $(number peak_gflops) > 0 && $(number data_share) > 0" ||
    fail "bench --json: $(head -c 300 "$work/out")"
grep -q '"op":"conv"' "$work/out" || fail "bench --json names no operators"
grep -qE '"trusted":(true,"doubts":\[\]|false,"doubts":\[".*"\])' "$work/out" || fail "bench --json tells no doubts"
quietly "$ocelli" bench --model myresnet-tiny --batch-size 4 --size 32 --classes 10 --steps 2 --train --layers
for line in '^  training .* images/s \(quartiles .*; 2 steps\), .* GFLOP/s, .* % of the peak, [0-9]+ MiB$' \
    '^  bare floor +[0-9.]+ images/s: the step runs at [0-9.]+ % of it' \
    '^  conv1\.0 +backward weights +([0-9.]+ +){4}(memory|arithmetic) +[0-9]+ %  .*(direct|Winograd)'; do
    grep -qE "$line" "$work/out" || fail "bench --layers prints nothing like $line"
done
grep -q '^inference' "$work/out" && fail "bench --train measures inference"
expect 2 '-*train: .*--infer' "$ocelli" bench --train --infer
# A batch that batch norm cannot be trained on, but that inference takes.
sk=("$ocelli" bench --model skresnet18 --batch-size 1 --size 32 --classes 10 --steps 5)
expect 2 '-*batch-size: skresnet18 .*batches of 1 .*--infer' "${sk[@]}"
quietly "${sk[@]}" --infer --json
holds "$(number images_per_second) > 0 && $(number p99) >= $(number median) && $(number floor_share) > 0 &&
    $(number peak_gflops) > 0" || fail "bench --infer --json: $(head -c 300 "$work/out")"
quietly "${sk[@]}" --infer
grep -qE '^  latency +[0-9.]+ ms for 1 image \(median of 5 passes\), 99 % of them within [0-9.]+ ms$' "$work/out" ||
    fail "bench --infer: $(cat "$work/out")"
expect 2 '-*no-data: .*--infer' "${sk[@]}" --infer --no-data
finish
