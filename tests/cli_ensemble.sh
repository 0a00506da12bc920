#!/bin/bash
# label: slow
# ocelli ensemble: members trained with a held-out share are joined by every method, the result is a weights file like
# any other, and what cannot be done is said in one line.
ocelli=$1
# shellcheck source=tests/support/shell.sh
. tests/support/shell.sh
data=$work/data

quietly "$ocelli" data demo "$data" --classes 3 --per-class 30
members=()
for seed in 1 2 3; do
    quietly "$ocelli" train --data "$data" --model myresnet-tiny --size 32 --batch-size 16 --epochs 2 --seed $seed --threads 2 \
        --set data.holdout=0.3 --set data.augment=false --set mixup.alpha=0 --out "$work/run$seed"
    members+=("$work/run$seed/best.safetensors")
done
join=("$ocelli" ensemble --data "$data" --threads 2)

echo "-- the held-out images are a split like any other"
quietly "$ocelli" data info "$data" --set data.holdout=0.3 --json
grep -q '"train":{"folder":"train","images":72,.*"holdout":{"folder":"train","images":18,' "$work/out" ||
    fail "data info does not share the 90 images out as 72 and 18"
quietly "$ocelli" eval --data "$data" --set data.holdout=0.3 --split holdout --weights "${members[0]}"

echo "-- every method, and a result like any other weights file"
for method in stack mean weighted; do
    quietly "${join[@]}" --out "$work/$method" --method $method --fit-on holdout:0.3 "${members[@]}" --json
    top1=$(grep -o '"ensemble":.*' "$work/out" | grep -o '"top1":[0-9.]*' | cut -d: -f2)
    # Two threads are more than some machines have.
    grep 'warning' "$work/err" | grep -vq 'warning: --threads' && fail "$method: $(grep warning "$work/err")"
    cmp -s <(cat "$work/out") <(cat "$work/$method/ensemble.json"; echo) || fail "--json is not ensemble.json"
    quietly "$ocelli" eval --data "$data" --weights "$work/$method/best.safetensors" --threads 2 --json
    holds "$(number top1) - $top1 < 1e-9 && $top1 - $(number top1) < 1e-9" ||
        fail "$method: eval says $(number top1), the ensemble $top1"
    quietly "$ocelli" predict --weights "$work/$method/best.safetensors" --data "$data" --split val,test \
        --submission "$work/$method.csv"
    [[ $(head -1 "$work/$method.csv") == id,pred ]] || fail "$method: no submission"
done

echo "-- the table"
quietly "${join[@]}" --out "$work/stack" --fit-on holdout:0.3 --prune 2 "${members[@]}"
[[ $(grep -c 'taken from the cache' "$work/err") -eq 6 ]] || fail "scores were computed again: $(cat "$work/err")"
[[ $(grep -c 'myresnet-tiny' "$work/out") -eq 3 ]] || fail "not three members: $(cat "$work/out")"
[[ $(grep -c 'pruned' "$work/out") -eq 1 ]] || fail "not one member is pruned: $(cat "$work/out")"
grep -q '^correlation of errors' "$work/out" || fail "no correlation in the table"
grep -qE "^top-1 +0\.[0-9]+ \(95 %" "$work/out" || fail "no interval in the table"
grep -q "McNemar's p" "$work/out" || fail "no p in the table"
quietly "${join[@]}" --out "$work/train" --method weighted --fit-on train "${members[@]:0:2}"
grep -q 'warning: .*2 of the members.*run1.*run2' "$work/err" || fail "no warning of a fit on training images"
[[ $(grep -c ' seen$' "$work/out") -eq 2 ]] || fail "the table does not say what was seen"

echo "-- a test split that judges"
cp -r "$data" "$work/by-test"
rm -r "$work/by-test/test" "$work/by-test/val" "$work/by-test/wnids.txt"
mkdir "$work/by-test/test"
for class in "$work/by-test/train"/*; do
    mkdir "$work/by-test/test/${class##*/}"
    mv "$class"/images/*_[0-4].JPEG "$work/by-test/test/${class##*/}"
done
expect 1 'data.val=test' "$ocelli" ensemble --data "$work/by-test" --out "$work/judged" "${members[@]}"
quietly "$ocelli" ensemble --data "$work/by-test" --set data.val=test --method mean --out "$work/judged" "${members[@]}"
grep -q '^images  *15$' "$work/out" || fail "not judged by the 15 images of test: $(cat "$work/out")"
expect 2 'data.val: .*tset' "$ocelli" ensemble --data "$work/by-test" --set data.val=tset --out "$work/judged" "${members[@]}"

echo "-- errors"
none=("${join[@]}" --out "$work/none")
expect 2 '2 to 64 members: 0' "${none[@]}"
expect 2 '2 to 64 members: 1' "${none[@]}" "${members[0]}"
expect 2 '-*method: .*stak.*did you mean stack' "${none[@]}" --method stak "${members[@]}"
expect 2 '-*init: .*rnadom.*did you mean random' "${none[@]}" --init rnadom "${members[@]}"
expect 2 '-*fit-on: .*holdot' "${none[@]}" --fit-on holdot "${members[@]}"
expect 2 '-*fit-on: .*2' "${none[@]}" --fit-on holdout:2 "${members[@]}"
expect 1 'holdout:0.1' "${none[@]}" --fit-on holdout "${members[@]}"
expect 2 '-*prune: ' "${none[@]}" --prune 4 "${members[@]}"
expect 2 '-*out: ' "${join[@]}" "${members[@]}"
expect 1 "$work/nothing: " "${none[@]}" "${members[0]}" "$work/nothing"
expect 1 "$work/run1: .*training run" "${join[@]}" --out "$work/run1" "${members[@]}"
expect 2 "$work/mean/best.safetensors: .*ensemble" "${none[@]}" "${members[0]}" "$work/mean/best.safetensors"
quietly "$ocelli" data demo "$work/four" --classes 4 --per-class 8
quietly "$ocelli" train --data "$work/four" --model myresnet-tiny --size 32 --batch-size 8 --epochs 1 --max-steps 1 --out "$work/run4"
expect 1 "$work/run4/.*: .*n90000004" "${none[@]}" "${members[0]}" "$work/run4/best.safetensors"
[[ -e $work/none ]] && fail "a refused ensemble made its folder"

echo "-- no room: for the scores (KiB), or only for those"
for limit in 1 100; do
    expect 1 "$work/full/.*safetensors.*: " bash -c "ulimit -f $limit; exec \"\$@\"" limited \
        "${join[@]}" --out "$work/full" --method mean "${members[@]:0:2}"
    [[ -n $(find "$work/full" -name '*.tmp.*') ]] && fail "limit $limit: temporaries are left"
    [[ -e $work/full/best.safetensors || -e $work/full/ensemble.json ]] && fail "limit $limit: a result"
done
quietly "${join[@]}" --out "$work/full" --method mean "${members[@]:0:2}"
[[ $(grep -c 'taken from the cache' "$work/err") -eq 2 ]] || fail "what fitted was not kept: $(cat "$work/err")"
before=$(sums "$work/full" | grep best)
expect 1 "$work/full/best.safetensors: " bash -c 'ulimit -f 100; exec "$@"' limited \
    "${join[@]}" --out "$work/full" --method weighted --fit-on holdout:0.3 "${members[@]:0:2}"
[[ $(sums "$work/full" | grep best) == "$before" ]] || fail "the ensemble before was touched"
finish
