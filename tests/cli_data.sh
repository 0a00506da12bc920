#!/bin/bash
# What a data set has beside its images is told by whoever opens it, and sizes mean the same to every subcommand.
ocelli=$1
# shellcheck source=tests/support/shell.sh
. tests/support/shell.sh
data=$work/data

quietly "$ocelli" data demo "$data" --classes 3 --per-class 8
train=("$ocelli" train --model myresnet-tiny --size 32 --batch-size 8 --epochs 1 --max-steps 1 --threads 1)

# says PATTERN: a line on the last command's standard error is a warning that matches, and no other does.
says() {
    [[ $(grep -cE "^ocelli: warning: .*$1" "$work/err") -eq 1 ]] || fail "not one warning of $1: $(cat "$work/err")"
}

echo "-- what is left out"
first=$data/train/n90000001/images
ln -s nowhere "$first/a.jpg"
: >"$first/b.avif"
left="$data: not read in train: 1 \\(an image in a format that is not read\\), the first is train/n90000001/images/b.avif; 1 \\(a link that leads nowhere"
quietly "$ocelli" data info "$data"
says "$left"
[[ $(grep -cE '^  not read +5$' "$work/out") -eq 1 ]] || fail "data info does not print what is left out"
quietly "$ocelli" data info "$data" --json
grep -q '"left_out":{"count":2,"all":5,"first":"train/n90000001/images/a.jpg",' "$work/out" || fail "no left_out in JSON"
quietly "${train[@]}" --data "$data" --out "$work/run"
says "$left"
grep -q '"left_out":{"count":2,"all":5,"first":"train/n90000001/images/a.jpg",' "$work/run/data.json" ||
    fail "the run folder does not say what was not read: $(cat "$work/run/data.json")"
grep -qE "^[^ ]* [^ ]* $left|$left" "$work/run/log.txt" || fail "nor does its log"
[[ $(grep -c . "$work/run/log.txt") -ge 4 ]] || fail "lines of the log are glued: $(cat "$work/run/log.txt")"
rm "$first/a.jpg" "$first/b.avif"
quietly "${train[@]}" --data "$data" --out "$work/run2"
# The machine may be busy, which is no matter of the data.
grep -v 'warning: other programs' "$work/err" | grep -q warning && fail "a warning of nothing: $(cat "$work/err")"

echo "-- a class that is lost"
cp -r "$data" "$work/lost"
for image in "$work/lost/train/n90000002/images"/*.JPEG; do echo text >"$image"; done
quietly "${train[@]}" --data "$work/lost" --out "$work/run3" --skip-bad
says 'left in train of the class n90000002$'

echo "-- a cache that is damaged is made again, which is said once; a run in the same folder is not waited for"
for pack in "$work"/cache/ocelli/data-*.ocpack; do
    head -c 5000 "$pack" >"$work/cut" && cp "$work/cut" "$pack"
done
quietly "$ocelli" data pack "$data" --size 32
[[ $(grep -c 'making it again' "$work/err") -eq 2 ]] || fail "not once for each of two: $(cat "$work/err")"
mkdir "$work/both"
quietly flock -x "$work/both" timeout 60 "$ocelli" data pack "$data" --cache "$work/both"
[[ $(find "$work/both" -type f | wc -l) -eq 3 ]] || fail "not three packs alone: $(ls "$work/both")"

echo "-- a cache compared with the files"
quietly "$ocelli" data pack "$data" --size 32 --verify
grep -q 'train: [0-9]* images, every byte as it was written; [0-9]* decoded anew' "$work/err" || fail "$(cat "$work/err")"
quietly "$ocelli" data pack "$data" --size 32 --verify=all
expect 2 '--verify: .*most.* is not all' "$ocelli" data pack "$data" --size 32 --verify=most
expect 2 '--json: takes no value' "$ocelli" data info "$data" --json=all

echo "-- sizes"
quietly "$ocelli" data pack "$data" --cache "$work/by-key" --set data.size=48
quietly "$ocelli" data pack "$data" --cache "$work/by-key" --set data.size=48 --size 40
printf 'data:\n  size: 24\n' >"$work/size.yaml"
quietly "$ocelli" data pack "$data" --cache "$work/by-key" --recipe "$work/size.yaml"
sizes=$(basename -a "$work"/by-key/data-train-*.ocpack | cut -d- -f3 | sort | xargs)
[[ $sizes == "24 40 48" ]] || fail "packed for sizes $sizes"
quietly "$ocelli" models --size 48
grep -qE '^myresnet-small +- +-  [a-z]' "$work/out" || fail "no row for a model that does not take the size"
grep -qE '^resnet18 +[0-9,]+ +[0-9.]+G ' "$work/out" || fail "no numbers of one that does"
expect 2 'myresnet-small .*48' "$ocelli" models myresnet-small --size 48
expect 2 'data.size' "$ocelli" models --size 16
expect 2 'data.size' "$ocelli" bench --size 16 --threads 1
[[ $(grep -c 'warning: left out: .* not 16' "$work/err") -eq $(("$("$ocelli" models | wc -l)" - 1)) ]] ||
    fail "bench does not go on behind the first model"
expect 2 'myresnet-small .*48' "$ocelli" bench --model myresnet-small --size 48 --threads 1
for command in "models" "bench" "data pack $data" "eval --data $data --weights x" "train --data $data"; do
    # shellcheck disable=SC2086
    expect 2 '-*size: .*1025.*1024' "$ocelli" $command --size 1025
done

echo "-- threads"
quietly "$ocelli" data info "$data" --threads 1000
says '-*threads: 1000 threads on [0-9]+ processors?'
finish
