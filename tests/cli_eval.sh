#!/bin/bash
# label: slow
# ocelli eval in all it says: interval, calibration, mirror images, the comparison of two models, and JSON, of networks
# and of an ensemble.
ocelli=$1
# shellcheck source=tests/support/shell.sh
. tests/support/shell.sh
data=$work/data

quietly "$ocelli" data demo "$data" --classes 3 --per-class 16 --seed 5
for seed in 1 2; do
    quietly "$ocelli" train --data "$data" --model myresnet-tiny --size 32 --batch-size 16 --epochs 1 --seed $seed \
        --threads 2 --set mixup.alpha=0 --out "$work/run$seed"
done
a=$work/run1/best.safetensors b=$work/run2/best.safetensors
quietly "$ocelli" ensemble --data "$data" --method mean --threads 2 --out "$work/both" "$a" "$b"
both=$work/both/best.safetensors
eval=("$ocelli" eval --data "$data" --threads 2)

# whole KEY: the whole number that stands in the table under KEY.
whole() {
    sed -n "s/^$1  *\([0-9][0-9]*\)$/\1/p" "$work/out"
}

echo "-- the table"
quietly "${eval[@]}" --weights "$a" --paired "$b"
for line in 'top-1 +[01]\.[0-9]{4} \(95 %: 0\.[0-9]+ to [01]\.[0-9]+\)' 'top-5 +1\.0000' 'loss +[0-9.]+' \
    'calibration error +0\.[0-9]{4}' 'images/s +[0-9.]+' "p +[0-9.e-]+ \(McNemar's exact test\)"; do
    grep -qE "^$line$" "$work/out" || fail "no line \"$line\" in: $(cat "$work/out")"
done
sum=$(($(whole "both right") + $(whole "only the first") + $(whole "only the second") + $(whole neither)))
[[ $sum -eq 15 ]] || fail "the comparison counts $sum images, not 15"

echo "-- a model beside itself"
quietly "${eval[@]}" --weights "$both" --paired "$both"
[[ $(whole "only the first") == 0 && $(whole "only the second") == 0 ]] || fail "a model differs from itself"
grep -q '^p  *1 (' "$work/out" || fail "p of a model beside itself is not 1"

echo "-- mirror images"
quietly "${eval[@]}" --weights "$a" --json
plain=$(number loss)
quietly "${eval[@]}" --weights "$a" --json --tta
grep -q '"tta":true' "$work/out" || fail "--json does not say that mirror images were scored"
[[ $(number loss) != "$plain" ]] || fail "--tta changes nothing"
for weights in "$a" "$both"; do
    submit=("$ocelli" predict --weights "$weights" --data "$data" --threads 2)
    quietly "${submit[@]}" --submission "$work/tta.csv" --tta
    quietly "${submit[@]}" --submission "$work/plain.csv"
    [[ $(cut -d, -f1 "$work/tta.csv") == "$(cut -d, -f1 "$work/plain.csv")" ]] || fail "--tta changes the images"
    # What was submitted of the validation images is what eval counts.
    quietly "${eval[@]}" --weights "$weights" --json --tta
    right=$(sed 1d "$work/tta.csv" | tr , '\t' | sort | join -t "$(printf '\t')" - \
        <(cut -f1,2 "$data/val/val_annotations.txt" | sort) | awk -F'\t' '$2 == $3' | wc -l)
    holds "$right / 15 - $(number top1) < 1e-6 && $(number top1) - $right / 15 < 1e-6" ||
        fail "$right of the submitted rows are right, eval says $(number top1)"
done

echo "-- JSON"
quietly "${eval[@]}" --weights "$both" --paired "$a" --json
holds "$(number top1_low) <= $(number top1) && $(number top1) <= $(number top1_high)" || fail "no interval in the JSON"
if command -v python3 >/dev/null; then
    python3 - "$work/out" <<'CHECK' || fail "the JSON is not what it should be"
import json, sys
e = json.load(open(sys.argv[1]))
n, confusion, p = len(e["classes"]), e["confusion"], e["paired"]
assert e["model"] == "ensemble" and e["classes"] == ["n90000001", "n90000002", "n90000003"]
assert [sum(row) for row in confusion] == [5] * n and all(len(row) == n for row in confusion)
right = sum(confusion[i][i] for i in range(n))
assert abs(right / e["images"] - e["top1"]) < 1e-6
assert list(e["per_class"]) == e["classes"]
assert all(abs(e["per_class"][c] - confusion[i][i] / 5) < 1e-6 for i, c in enumerate(e["classes"]))
assert p["both"] + p["only_a"] == right and sum(p[k] for k in ("both", "only_a", "only_b", "neither")) == e["images"]
assert abs((p["both"] + p["only_b"]) / e["images"] - p["top1"]) < 1e-6 and 0 < p["p"] <= 1
CHECK
fi
quietly "${eval[@]}" --weights "$a" --split test --json --save-logits "$work/logits"
grep -q '"top1":null' "$work/out" || fail "a top-1 without labels: $(head -c 300 "$work/out")"
grep -q '"per_class":{"n90000001":null,' "$work/out" || fail "accuracies without labels: $(head -c 900 "$work/out")"

echo "-- errors"
expect 2 '"test" has no labels' "${eval[@]}" --weights "$a" --split test
expect 2 '"test" has no labels' "${eval[@]}" --weights "$a" --paired "$b" --split test --save-logits "$work/logits"
expect 1 'nowhere' "${eval[@]}" --weights "$a" --paired "$work/nowhere"
expect 2 '-*tta: is for a --submission' "$ocelli" predict --weights "$a" --tta "$data/val/images"
quietly "$ocelli" data demo "$work/four" --classes 4 --per-class 5 --seed 5
expect 1 'n90000004' "$ocelli" eval --data "$work/four" --weights "$a"
finish
