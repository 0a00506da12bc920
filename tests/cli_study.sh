#!/bin/bash
# label: slow
# ocelli study: mistakes in the file, the plan, a study with a run that fails, going on after Ctrl-C, and the second call
# on finished runs.
ocelli=$1
# shellcheck source=tests/support/shell.sh
. tests/support/shell.sh
data=$work/data out=$work/runs file=$work/study.yaml

quietly "$ocelli" data demo "$data" --classes 3 --per-class 12
study() {
    "$ocelli" study "$file" --data "$data" --out "$out" "$@"
}

echo "-- mistakes"
printf 'runs:\n  - name: a\n    sets: {}\n' >"$file"
expect 2 "$file:3: .*did you mean set" study
printf 'runs:\n  - {name: a, from: b}\n  - {name: b, from: a}\n' >"$file"
expect 2 "$file:2: .*a -> b -> a" study
printf 'runs:\n  - {name: a, start: b}\n  - {name: b, start: a}\n' >"$file"
expect 2 "$file:2: .*a -> b -> a" study --dry-run
printf 'runs:\n  - name: a\n    set: {optimizer.lr: 100}\n' >"$file"
expect 2 "$file:3: .*from 0 to 10" study
printf 'runs:\n  - {name: a, set: {train.batch_size: 1000}}\n' >"$file"
expect 2 "$file:2: .*36 training images" study
expect 2 '-*out: ' "$ocelli" study "$file" --data "$data"
expect 2 '-*data: ' "$ocelli" study "$file" --out "$out"
expect 1 "$work/none: " "$ocelli" study "$file" --data "$work/none" --out "$out"
expect 1 "$work/none.yaml: " "$ocelli" study "$work/none.yaml" --data "$data" --out "$out"
[[ -e $out ]] && fail "a refused study made its folder"

cat >"$file" <<END
set: {model.name: myresnet-tiny, data.size: 32, train.batch_size: 8, train.epochs: 2}
runs:
  - {name: plain, set: {data.augment: false}}
  - {name: bad, from: plain}
  - {name: fine, from: plain, start: plain, seeds: [1, 2], set: {optimizer.lr: 0.0001, train.epochs: 1}}
ensemble:
  members: [plain, fine]
  fit_on: train
  epochs: 2
END

echo "-- the plan"
quietly study --dry-run
[[ -e $out ]] && fail "a dry run left something"
grep -qE '^plain +myresnet-tiny +8 .*data.augment=false$' "$work/out" || fail "the plan does not show plain"
grep -qE '^fine-seed2 +myresnet-tiny +4 .*optimizer.lr=0.0001.*, starts from plain$' "$work/out" ||
    fail "the plan does not show fine-seed2"
grep -qE '^ensemble +stack .*joins plain fine-seed1 fine-seed2$' "$work/out" || fail "the plan does not show the ensemble"
grep -qE '^in all about ' "$work/out" || fail "the plan has no sum"

echo "-- stopped"
"$ocelli" study "$file" --data "$data" --out "$out" >"$work/out" 2>"$work/err" &
process=$!
until [[ -e $out/plain/state.safetensors ]] || ! kill -0 $process 2>/dev/null; do sleep 0.01; done
kill -TERM $process
status=0
wait $process || status=$?
[[ $status -eq 130 ]] || fail "a stopped study exits $status: $(tail -1 "$work/err")"

echo "-- a run that fails"
mkdir -p "$out/bad"
echo "no state" >"$out/bad/state.safetensors"
expect 1 "$file: 1 of 5 failed; bad: .*state.safetensors" study
[[ $(grep -cE ' (done|failed)$' "$work/out") -eq 5 ]] || fail "the table has not five rows: $(cat "$work/out")"
grep -qE '^bad +myresnet-tiny .* failed$' "$work/out" || fail "the table does not say that bad failed"
grep -qE '^bad failed: .*state.safetensors' "$work/out" || fail "the table does not say why"
grep -qE '^fine: top-1 [0-9.]+ on average of 2 seeds' "$work/out" || fail "no summary of the seeds"
[[ $(wc -l <"$out/study.csv") -eq 6 ]] || fail "study.csv has $(wc -l <"$out/study.csv") lines"
quietly "$ocelli" eval --data "$data" --weights "$out/ensemble/best.safetensors"

echo "-- finished"
rm -r "$out/bad"
quietly study
cp "$work/out" "$work/first"
before=$(sums "$out" | grep -v study)
best=100000
for ((i = 0; i < 20 && best >= 1000; i++)); do
    begin=$(date +%s%N)
    quietly study
    took=$((($(date +%s%N) - begin) / 1000000))
    [[ $took -lt $best ]] && best=$took
done
echo "a study of finished runs took $best ms"
instrumented || [[ $best -lt 1000 ]] || fail "a study of finished runs takes $best ms"
cmp -s "$work/first" "$work/out" || fail "the second call prints another table"
[[ $(sums "$out" | grep -v study) == "$before" ]] || fail "the second call touched the runs"
quietly study --json
[[ $(grep -o '"state":"done"' "$work/out" | wc -l) -eq 5 ]] || fail "--json has not five rows that are done"
cmp -s "$work/out" <(cat "$out/study.json"; echo) || fail "--json and study.json differ"
finish
