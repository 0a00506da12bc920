#!/bin/bash
# label: slow
# ocelli report: its numbers beside those of eval, metrics.csv, study.json and ensemble.json, digit by digit; the page
# that train, ensemble and study write at their end, also when stopped or failed; the page's policy; and mistakes.
ocelli=$1
# shellcheck source=tests/support/shell.sh
. tests/support/shell.sh
data=$work/data
command -v python3 >/dev/null || { echo "needs python3 to read JSON"; exit 77; }

quietly "$ocelli" data demo "$data" --classes 3 --per-class 20 --seed 5
train=("$ocelli" train --data "$data" --model myresnet-tiny --size 32 --batch-size 8 --threads 1)

cat >"$work/judge.py" <<'END'
"""What the tests of the command ask of JSON: judge.py CHECK FILE... exits 1 with the reason."""
import base64, csv, hashlib, json, math, os, re, shlex, sys


def read(path):
    with open(path) as file:
        text = file.read()
    if path.endswith(".html"):
        text = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S).group(1)
    return json.loads(text)


def same(a, b, what):
    assert (a is None) == (b is None), (what, a, b)
    if a is not None:
        assert "%.6g" % a == "%.6g" % b, (what, a, b)


def against_eval(report, evaluated, index):
    """All figures that ocelli eval prints too."""
    run, e = report["runs"][int(index)], evaluated
    mine = run["evaluation"]
    assert mine, run["evaluation_missing"]
    for key in "images", "top1", "top1_low", "top1_high", "top5", "calibration_error":
        same(mine[key], e[key], key)
    assert mine["classes"] == e["classes"]
    whole = [[0] * len(e["classes"]) for _ in e["classes"]]
    for true, guess, images in mine["confusion"]:
        assert images > 0
        whole[true][guess] = images
    assert whole == e["confusion"], (whole, e["confusion"])
    for c, code in enumerate(e["classes"]):
        same(mine["right"][c] / mine["count"][c], e["per_class"][code], code)
    if run["kind"] == "run":
        same(run["best"]["top1"], e["top1"], "best")


def against_metrics(report, folder, index):
    run = report["runs"][int(index)]
    with open(os.path.join(folder, "metrics.csv")) as file:
        rows = list(csv.DictReader(file))
    assert list(run["metrics"]) == list(rows[0])
    for name, column in run["metrics"].items():
        assert len(column) == len(rows)
        for row, value in zip(rows, column):
            # Text against text: the same nine digits.
            assert (value is None) == (row[name] == ""), (name, row[name], value)
            assert value is None or "%.9g" % value == "%.9g" % float(row[name]), (name, row[name], value)
    best = max(rows, key=lambda row: float(row["val_top1"]))
    assert run["best"]["epoch"] == int(best["epoch"]) and run["best"]["top1"] == float(best["val_top1"])
    assert run["seconds"] == float(rows[-1]["elapsed_seconds"])
    speeds = [float(row["images_per_second"]) for row in rows if row["images_per_second"]]
    same(run["images_per_second"], len(speeds) / sum(1 / s for s in speeds) if speeds else None, "images_per_second")


def check(name, *args):
    if name == "eval":
        against_eval(read(args[0]), read(args[1]), args[2])
    elif name == "metrics":
        against_metrics(read(args[0]), args[1], args[2])
    elif name == "value":  # FILE PATH EXPECTED
        at = read(args[0])
        for part in args[1].split("/"):
            at = at[int(part)] if isinstance(at, list) else at[part]
        assert str(at) == args[2], at
    elif name == "command":  # FILE INDEX WORD...
        words = shlex.split(read(args[0])["runs"][int(args[1])]["command"])
        assert words == list(args[2:]), words
    elif name == "print-command":
        print(read(args[0])["runs"][int(args[1])]["command"])
    elif name == "same":
        assert read(args[0]) == read(args[1])
    elif name == "study":  # REPORT STUDY FOLDER
        report, study = read(args[0]), read(args[1])
        rows = [row for row in study["rows"] if row["state"] != "waiting"]
        assert [run["name"] for run in report["runs"]] == [row["name"] for row in rows], report["runs"]
        for i, (run, row) in enumerate(zip(report["runs"], rows)):
            ensemble = row["ensemble"]
            assert run["kind"] == ("ensemble" if ensemble else "run")
            same(run["parameters"], row["parameters"], "parameters")
            same(run["seconds"], row["seconds"], "seconds")
            same(run["images_per_second"], row["images_per_second"], "images_per_second")
            if run["best"]:
                for key in "top1", "top1_low", "top1_high":
                    same(run["best"][key], row[key], key)
                assert ensemble or run["best"]["epoch"] == row["best_epoch"]
            assert ensemble or run["seed"] == row["seed"] or row["seed"] is None
            if row["state"] == "failed":
                assert run["state"] == "failed" and run["reason"] == row["reason"]
            else:
                assert run["state"] == "finished", run["state"]
                if not ensemble:
                    against_metrics(report, os.path.join(args[2], row["name"]), i)
    elif name == "ensemble":  # REPORT INDEX ENSEMBLE.JSON
        run, told = read(args[0])["runs"][int(args[1])], read(args[2])

        def compare(a, b):
            if isinstance(b, dict):
                assert a.keys() == b.keys()
                for key in b:
                    compare(a[key], b[key])
            elif isinstance(b, list):
                assert len(a) == len(b)
                for x, y in zip(a, b):
                    compare(x, y)
            elif isinstance(b, float):
                assert "%.9g" % a == "%.9g" % b
            else:
                assert a == b

        compare(run["ensemble"], told)
        for key in "top1", "top1_low", "top1_high", "top5", "loss", "calibration_error":
            same(run["evaluation"][key], told["ensemble"][key], key)
    elif name == "policy":
        with open(args[0]) as file:
            page = file.read()
        policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page).group(1)
        sources = {part.split()[0]: part.split()[1:] for part in policy.split(";")}
        assert sources["default-src"] == ["'none'"] and sources["connect-src"] == ["'none'"], policy
        assert set(sources["img-src"]) <= {"data:", "blob:"}, policy
        for tag in "script", "style":
            inline = re.findall(r"<%s>(.*?)</%s>" % (tag, tag), page, re.S)
            hashes = ["'sha256-%s'" % base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
                      for text in inline]
            assert inline and sorted(hashes) == sorted(sources[tag + "-src"]), (tag, hashes, policy)
        # No handler or style in a tag, which the policy would not let run.
        bare = re.sub(r"<(script|style)[^>]*>.*?</\1>", "", page, flags=re.S)
        assert not re.search(r"<[^>]* (on\w+|style)=", bare)
        assert len(re.findall(r"<script", page)) == len(re.findall(r"</script>", page))
    else:
        sys.exit("no check " + name)


check(*sys.argv[1:])
END
# judge CHECK FILE...
judge() {
    python3 "$work/judge.py" "$@" >"$work/judged" 2>&1 || { fail "$1: $(tail -n 1 "$work/judged")"; return 1; }
}

echo "-- at the end of a run"
quietly "${train[@]}" --epochs 2 --out "$work/a"
grep -q 'report.html' "$work/out" || fail "train does not say that there is a report"
for file in run.json evaluation.json report.html; do
    [[ -s $work/a/$file ]] || fail "train left no $file"
done
judge value "$work/a/report.html" runs/0/state finished
judge value "$work/a/report.html" title a
judge policy "$work/a/report.html"
quietly "${train[@]}" --epochs 1 --seed 1 --set loss.label_smoothing=0.2 --out "$work/b" --no-report
grep -q 'report.html' "$work/out" && fail "train --no-report says that there is a report"
[[ -e $work/b/report.html || -e $work/b/evaluation.json ]] && fail "train --no-report left a report"

echo "-- the numbers"
(cd "$work" && "$ocelli" report a b --json --threads 1) >"$work/two.json" 2>"$work/err" || fail "report: $(cat "$work/err")"
[[ $(wc -l <"$work/two.json") -eq 1 ]] || fail "--json prints $(wc -l <"$work/two.json") lines"
for i in 0 1; do
    run=$work/$(sed -n $((i + 1))p <<<$'a\nb')
    quietly "$ocelli" eval --data "$data" --weights "$run/best.safetensors" --threads 1 --json
    cp "$work/out" "$work/eval.json"
    judge eval "$work/two.json" "$work/eval.json" $i
    judge metrics "$work/two.json" "$run" $i
done
judge value "$work/two.json" differences "['train.epochs', 'train.seed', 'loss.label_smoothing']"
judge value "$work/two.json" runs/0/folder a
[[ -s $work/b/evaluation.json ]] || fail "an evaluation is not kept"
# Once it is kept, nothing is computed any more.
quietly "$ocelli" report "$work/a" "$work/b" --json --stored
judge value "$work/out" runs/1/evaluation_missing None
rm -r "$work/cache"
quietly "$ocelli" report "$work/a" "$work/b" --json
[[ -e $work/cache ]] && fail "a report on kept evaluations opens the data set"
rm "$work/b/evaluation.json"
quietly "$ocelli" report "$work/a" "$work/b" --json --stored
judge value "$work/out" runs/1/evaluation None
[[ -e $work/cache || -e $work/b/evaluation.json ]] && fail "--stored computes"

echo "-- the page"
mkdir "$work/there"
(cd "$work/there" && "$ocelli" report ../a ../b) >"$work/out" 2>"$work/err" || fail "report: $(cat "$work/err")"
grep -qx 'the report is in report.html' "$work/out" || fail "report says $(cat "$work/out")"
[[ $(ls -A "$work/there") == report.html ]] || fail "report left $(ls -A "$work/there")"
judge policy "$work/there/report.html"
quietly "$ocelli" report "$work/b" --out "$work/there/other.html"
judge value "$work/there/other.html" title b
(cd "$work" && "$ocelli" report a b --json) >"$work/out" 2>/dev/null
(cd "$work" && "$ocelli" report a b --out "$work/there/other.html" >/dev/null 2>&1)
cp "$work/out" "$work/two.json"
judge same "$work/there/other.html" "$work/two.json"

echo "-- mistakes"
expect 2 'RUN' "$ocelli" report
expect 1 "$work/nowhere: .*does not exist" "$ocelli" report "$work/nowhere" --out "$work/x.html"
expect 1 "$work/a/metrics.csv: this is a file" "$ocelli" report "$work/a/metrics.csv" --out "$work/x.html"
expect 1 "$data: no run is in" "$ocelli" report "$data" --out "$work/x.html"
expect 1 "$work/nowhere: " "$ocelli" report "$work/a" "$work/nowhere" --json
expect 2 '-*out: ' "$ocelli" report "$work/a" --json --out "$work/x.html"
expect 2 '-*thread' "$ocelli" report "$work/a" --threads none
expect 2 '-*stord.*stored' "$ocelli" report "$work/a" --stord
expect 1 "$work/none/x.html: " "$ocelli" report "$work/a" --out "$work/none/x.html"
expect 1 "$work/there: " "$ocelli" report "$work/a" --out "$work/there"
[[ -e $work/x.html ]] && fail "a refused report left a page"

echo "-- data that is gone, and other data"
mv "$data" "$data.gone"
rm "$work/b/evaluation.json"
quietly "$ocelli" report "$work/b" --json
judge value "$work/out" runs/0/evaluation None
grep -q "warning: .*$work/b.*$data" "$work/err" || fail "no warning of data that is gone: $(cat "$work/err")"
quietly "$ocelli" report "$work/b" --json --data "$data.gone"
cp "$work/out" "$work/other.json"
quietly "$ocelli" eval --data "$data.gone" --weights "$work/b/best.safetensors" --json
cp "$work/out" "$work/eval.json"
judge eval "$work/other.json" "$work/eval.json" 0
mv "$data.gone" "$data"

echo "-- the command that began it"
odd="$work/it's a \"run\" \$(x) \\ *"
words=(train --data "$data" --model myresnet-tiny --size=32 --batch-size 8 --epochs 1 --threads 1 --no-report
    --cache '' --set 'optimizer.lr=0.002' --out "$odd")
quietly "$ocelli" "${words[@]}"
"$ocelli" report "$odd" --json --stored >"$work/odd.json" 2>"$work/err" || fail "report: $(cat "$work/err")"
judge command "$work/odd.json" 0 ocelli "${words[@]}"
# A shell takes it for the same words, and so for the same run.
line=$(python3 "$work/judge.py" print-command "$work/odd.json" 0)
taken=$(eval "printf '%s\n' $line")
[[ $taken == "$(printf '%s\n' ocelli "${words[@]}")" ]] || fail "a shell takes $line for other words"
mv "$odd/best.safetensors" "$work/first.safetensors"
mv "$odd" "$work/before"
(eval "\"$ocelli\" ${line#ocelli }") >"$work/out" 2>"$work/err" || fail "the command again: $(cat "$work/err")"
cmp -s "$odd/best.safetensors" "$work/first.safetensors" || fail "the command again gives other weights"

echo "-- stopped, failed, and where no page can be"
"${train[@]}" --epochs 500 --out "$work/stopped" >"$work/out" 2>"$work/err" &
process=$!
until [[ -e $work/stopped/best.safetensors ]] || ! kill -0 $process 2>/dev/null; do sleep 0.01; done
kill -TERM $process
status=0
wait $process || status=$?
[[ $status -eq 130 ]] || fail "a stopped run exits $status: $(tail -1 "$work/err")"
[[ -s $work/stopped/report.html ]] || fail "a stopped run leaves no report"
judge value "$work/stopped/report.html" runs/0/state stopped
judge metrics "$work/stopped/report.html" "$work/stopped" 0
expect 1 'not finite' "${train[@]}" --epochs 40 --set optimizer.name=sgd --set optimizer.lr=10 --set optimizer.momentum=0.99 \
    --set schedule.name=constant --set data.augment=false --set mixup.alpha=0 --out "$work/diverged"
[[ -s $work/diverged/report.html ]] || fail "a run that failed leaves no report"
judge value "$work/diverged/report.html" runs/0/state stopped
judge metrics "$work/diverged/report.html" "$work/diverged" 0
mkdir -p "$work/c/report.html"
quietly "${train[@]}" --epochs 1 --max-steps 1 --out "$work/c"
grep -q '^ocelli: warning: no report: .*report.html' "$work/err" || fail "no warning: $(cat "$work/err")"
grep -q 'report.html' "$work/out" && fail "train promises a report that is not there: $(cat "$work/out")"

echo "-- an ensemble"
join=("$ocelli" ensemble --data "$data" --threads 1 --fit-on train --method weighted "$work/a/best.safetensors" "$work/b/best.safetensors")
quietly "${join[@]}" --out "$work/joined"
judge value "$work/joined/report.html" runs/0/kind ensemble
judge ensemble "$work/joined/report.html" 0 "$work/joined/ensemble.json"
judge policy "$work/joined/report.html"
quietly "$ocelli" eval --data "$data" --weights "$work/joined/best.safetensors" --threads 1 --json
cp "$work/out" "$work/eval.json"
judge eval "$work/joined/report.html" "$work/eval.json" 0
quietly "${join[@]}" --out "$work/joined2" --no-report
[[ -e $work/joined2/report.html ]] && fail "ensemble --no-report leaves a report"

echo "-- a study"
cat >"$work/study.yaml" <<END
set: {model.name: myresnet-tiny, data.size: 32, train.batch_size: 8, train.epochs: 2}
runs:
  - {name: plain, set: {data.augment: false}}
  - {name: bad, from: plain}
  - {name: fine, from: plain, seeds: [1, 2], set: {optimizer.lr: 0.0001, train.epochs: 1}}
ensemble:
  members: [plain, fine]
  fit_on: train
  epochs: 2
END
study=("$ocelli" study "$work/study.yaml" --data "$data" --out "$work/study" --threads 1)
mkdir -p "$work/study/bad"
echo "no state" >"$work/study/bad/state.safetensors"
expect 1 'bad: ' "${study[@]}"
[[ -s $work/study/report.html ]] || fail "a study with a run that failed leaves no report"
judge value "$work/study/report.html" left_out/0/folder "$work/study/bad"
judge value "$work/study/report.html" runs/0/name plain
rm -r "$work/study/bad"
quietly "${study[@]}"
grep -q 'report.html' "$work/out" || fail "the study does not say that there is a report"
judge policy "$work/study/report.html"
judge study "$work/study/report.html" "$work/study/study.json" "$work/study"
judge value "$work/study/report.html" left_out '[]'
judge ensemble "$work/study/report.html" 4 "$work/study/ensemble/ensemble.json"
for run in plain bad fine-seed1 fine-seed2; do
    [[ -s $work/study/$run/report.html ]] || fail "the study leaves no report in $run"
    judge value "$work/study/$run/report.html" runs/0/state finished
    judge metrics "$work/study/$run/report.html" "$work/study/$run" 0
done
for i in 0 2 3; do
    name=$(sed -n $((i + 1))p <<<$'plain\nbad\nfine-seed1\nfine-seed2')
    quietly "$ocelli" eval --data "$data" --weights "$work/study/$name/best.safetensors" --threads 1 --json
    cp "$work/out" "$work/eval.json"
    judge eval "$work/study/report.html" "$work/eval.json" $i
done
quietly "$ocelli" report "$work/study" --json --stored
cp "$work/out" "$work/study.json"
judge same "$work/study.json" "$work/study/report.html"
rm "$work/study/report.html" "$work/study/plain/report.html"
quietly "${study[@]}" --no-report
[[ -e $work/study/report.html || -e $work/study/plain/report.html ]] && fail "study --no-report leaves a report"
finish
