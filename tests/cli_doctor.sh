#!/bin/bash
# ocelli data doctor: its table and its JSON, its exit status, and mistakes in using it.
ocelli=$1
# shellcheck source=tests/support/shell.sh
. tests/support/shell.sh
data=$work/data
quietly "$ocelli" data demo "$data" --classes 3 --per-class 24
images=$data/train/n90000001/images

# line PATTERN: a line of the last command's output is like that.
line() {
    grep -qE "$1" "$work/out" || fail "no line like $1 in: $(cat "$work/out")"
}

echo "-- a healthy set"
quietly "$ocelli" data doctor "$data" --strict
line "^$data: 72 images of train, 15 of val, 3 of test; 3 classes\$"
line '^0 serious, 0 to be warned of, [0-9]+ to note$'
grep -q 'serious$' "$work/out" && fail "a heading of nothing: $(cat "$work/out")"

echo "-- an ill one"
cp "$images/n90000001_0.JPEG" "$data/val/images/val_0.JPEG"
cp "$images/n90000001_1.JPEG" "$data/train/n90000002/images/n90000002_1.JPEG"
for i in 2 3 4 5 6; do head -c 500 "$images/n90000001_$i.JPEG" >"$work/cut" && cp "$work/cut" "$images/n90000001_$i.JPEG"; done
cp "$images/n90000001_7.JPEG" "$images/red"$'\e''[31m.png'
quietly "$ocelli" data doctor "$data"
line '^serious$'
line '^  files that cannot be read to the end: 5 \(5 images of train\)$'
line '^    -> get them again or remove them'
line '^ +train/n90000001/images/n90000001_2.JPEG: truncated JPEG$'
line '^ +and 2 more, which --all lists$'
line '^  pictures that lie in several splits: 1 \(1 image of train, 1 of val\)$'
line '^ +train/n90000001/images/n90000001_0.JPEG = val/images/val_0.JPEG$'
line '^ +train/n90000001/images/n90000001_1.JPEG \(n90000001\) = train/n90000002/images/n90000002_1.JPEG \(n90000002\)$'
line '^7 serious, 1 to be warned of, [0-9]+ to note$'
grep -q $'\e' "$work/out" && fail "a name's control code is printed"
grep -q 'n90000001_6.JPEG' "$work/out" && fail "more examples than a few"
quietly "$ocelli" data doctor "$data" --all
line 'n90000001_6.JPEG: truncated JPEG$'
grep -q -- '--all' "$work/out" && fail "--all does not list all"

echo "-- as JSON"
quietly "$ocelli" data doctor "$data" --json
[[ $(wc -l <"$work/out") -eq 1 ]] || fail "JSON of several lines"
grep -q '"kind":"broken","severity":"serious",.*"count":5,"images":{"train":5},"items":\[{"files":\[{"path":"train/n90000001/images/n90000001_2.JPEG","split":"train","class":"n90000001"}\],"why":"truncated JPEG"}' \
    "$work/out" || fail "no broken files in JSON: $(cat "$work/out")"
grep -q 'n90000001_6.JPEG' "$work/out" || fail "not all in JSON"
if python=$(command -v python3); then
    "$python" -c 'import json, sys
report = json.load(sys.stdin)
assert report["serious"] == sum(f["count"] for f in report["findings"] if f["severity"] == "serious")' <"$work/out" ||
        fail "JSON that python does not take"
fi

echo "-- in a pipeline"
expect 1 "$data: 7 serious findings" "$ocelli" data doctor "$data" --strict
line '^serious$'
expect 1 "$data: 7 serious findings" "$ocelli" data doctor "$data" --strict --json
[[ $(number serious) -eq 7 ]] || fail "no JSON with --strict"

echo "-- the input size"
quietly "$ocelli" data doctor "$data" --size 96
line 'smaller than the input size'
quietly "$ocelli" data doctor "$data" --set data.size=96
line 'smaller than the input size'

echo "-- mistakes"
expect 1 "$work/nothing: " "$ocelli" data doctor "$work/nothing"
mkdir "$work/empty"
expect 1 "$work/empty" "$ocelli" data doctor "$work/empty"
expect 2 '' "$ocelli" data doctor
expect 2 'dokter: .*"doctor"' "$ocelli" data dokter
expect 2 '--al: .*--all' "$ocelli" data doctor "$data" --al
expect 2 '--size' "$ocelli" data doctor "$data" --size 0
finish
