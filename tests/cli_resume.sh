#!/bin/bash
# label: slow
# runs: alone
# Same bits: the same run twice; killed by kill -9 ten times, some before the first save and some inside a save; stopped
# by a signal; out of disk. All end with the same weights file; another seed does not.
ocelli=$1
# shellcheck source=tests/support/shell.sh
. tests/support/shell.sh
data=$work/data
RANDOM=${SEED:-20240607}
echo "seed ${SEED:-20240607}"

quietly "$ocelli" data demo "$data" --classes 3 --per-class 8
quietly "$ocelli" data pack "$data" --size 32
# train OUT FLAGS...: three steps an epoch, two epochs; the state is saved after every step.
common=(--data "$data" --size 32 --batch-size 8 --epochs 2 --save-every 1)
train() {
    local out=$1
    shift
    "$ocelli" train "${common[@]}" --out "$out" "$@" >"$work/train.out" 2>"$work/train.err"
}
# table FILE FIELDS FIRST: one well-formed table: lines that end in LF, as many fields in each, a header once, all numbers
# or nothing, and a first column that counts on from FIRST.
table() {
    LC_ALL=C awk -F, -v fields="$2" -v first="$3" -v file="$1" '
        NF != fields { print file ":" NR ": " NF " fields"; bad = 1 }
        NR == 1 { if (!/^[a-z0-9_,]+$/) { print file ": no header"; bad = 1 } next }
        !/^[0-9]+(,(-?[0-9]+(\.[0-9]+)?(e[-+][0-9]+)?)?)+$/ { print file ":" NR ": " $0; bad = 1 }
        $1 != first + NR - 2 { print file ":" NR ": " $1 " instead of " first + NR - 2; bad = 1 }
        END { exit bad || NR == 0 }' "$1" || return 1
    [[ $(tail -c 1 "$1" | od -An -tx1) == " 0a" ]] || { echo "$1: no newline at its end"; return 1; }
}
same() {
    table "$1/metrics.csv" 17 0 || fail "$2: metrics.csv is no table"
    table "$1/steps.csv" 3 1 || fail "$2: steps.csv is no table"
    cmp -s "$work/whole/last.safetensors" "$1/last.safetensors" || fail "$2: the last weights differ"
    cmp -s "$work/whole/best.safetensors" "$1/best.safetensors" || fail "$2: the best weights differ"
    cmp -s "$work/whole/steps.csv" "$1/steps.csv" || fail "$2: steps.csv differs"
    cmp -s <(cut -d, -f1-9 "$work/whole/metrics.csv") <(cut -d, -f1-9 "$1/metrics.csv") ||
        fail "$2: metrics.csv differs"
    compgen -G "$1/*.tmp.*" >/dev/null && fail "$2: temporaries are left"
}

begin=$(date +%s%N)
train "$work/whole" || fail "the run: $(tail -1 "$work/train.err")"
took=$((($(date +%s%N) - begin) / 1000000))
echo "a whole run takes $took ms"
train "$work/twice" --save-every 100 || fail "the second run: $(tail -1 "$work/train.err")"
same "$work/twice" "the same run again, with fewer saves"
train "$work/seed" --seed 1 --max-steps 1 || fail "the run with another seed: $(tail -1 "$work/train.err")"
cmp -s <(sed -n 2p "$work/seed/steps.csv") <(sed -n 2p "$work/whole/steps.csv") && fail "another seed: the same loss"

# A run stopped at step 1 has its weights saved there; with another seed they differ.
train "$work/one" --max-steps 1
grep -q 'stopped within an epoch: last' "$work/train.out" || fail "--max-steps within an epoch: nothing says so"
cmp -s "$work/one/last.safetensors" "$work/seed/last.safetensors" && fail "another seed: the same weights"
train "$work/one" --resume || fail "resuming after --max-steps: $(tail -1 "$work/train.err")"
grep -q 'stopped within an epoch' "$work/train.out" && fail "a finished run is said to have stopped within an epoch"
same "$work/one" "--max-steps 1, then resumed"

# Stopped by a signal: the step is finished, everything saved, exit status 130.
"$ocelli" train "${common[@]}" --out "$work/signal" >"$work/out" 2>"$work/err" &
process=$!
until [[ -e $work/signal/state.safetensors ]] || ! kill -0 $process 2>/dev/null; do sleep 0.01; done
kill -TERM $process
status=0
wait $process || status=$?
[[ $status -eq 130 ]] || fail "a run stopped by SIGTERM exits $status: $(tail -1 "$work/err")"
train "$work/signal" --resume || fail "resuming after SIGTERM: $(tail -1 "$work/train.err")"
same "$work/signal" "stopped by SIGTERM, then resumed"

# Measured algorithms are the run's: killed, and resumed when what was measured is gone, it ends as a run by the same
# plan that nothing stopped.
"$ocelli" train "${common[@]}" --out "$work/tuned" --tune quick >"$work/out" 2>"$work/err" &
process=$!
until grep -q '^1,' "$work/tuned/steps.csv" 2>/dev/null || ! kill -0 $process 2>/dev/null; do sleep 0.01; done
kill -9 $process 2>/dev/null
wait $process 2>/dev/null
compgen -G "$XDG_CACHE_HOME/ocelli/tuning-*.json" >/dev/null || fail "--tune: nothing is kept of what was measured"
rm "$XDG_CACHE_HOME"/ocelli/tuning-*.json
train "$work/tuned" --resume --tune quick || fail "resuming a tuned run: $(tail -1 "$work/train.err")"
compgen -G "$XDG_CACHE_HOME/ocelli/tuning-*.json" >/dev/null && fail "a tuned run was measured again"
train "$work/planned" --plan "$work/tuned/plan.txt" || fail "a run by another's plan: $(tail -1 "$work/train.err")"
for file in plan.txt last.safetensors best.safetensors steps.csv; do
    cmp -s "$work/tuned/$file" "$work/planned/$file" || fail "a tuned run, and another by its plan: $file differs"
done

# No room: a file may not grow beyond a limit (in KiB) that lets nothing through, or the weights but not the state.
train "$work/full" --max-steps 1
before=$(sums "$work/full" | grep -E 'state|last|best')
for limit in 100 40000; do
    expect 1 "$work/full/.*safetensors.*: " bash -c "ulimit -f $limit; exec \"\$@\"" limited \
        "$ocelli" train "${common[@]}" --out "$work/full" --resume
    [[ $(sums "$work/full" | grep state) == $(grep state <<<"$before") ]] || fail "limit $limit: the state changed"
    compgen -G "$work/full/*.tmp.*" >/dev/null && fail "limit $limit: temporaries are left"
done
train "$work/full" --resume || fail "resuming after a full disk: $(tail -1 "$work/train.err")"
same "$work/full" "out of room, then resumed"

# kill_when CONDITION MOST: starts or resumes $run and kills it as soon as the command CONDITION is true (looked at
# every 2 ms), or after MOST milliseconds. Sets $killed to 1, or to 0 when the run ended before.
run=$work/killed
kill_when() {
    local condition=$1 end=$(($(date +%s%N) + $2 * 1000000)) status=0
    "$ocelli" train "${common[@]}" --out "$run" --resume >"$work/train.out" 2>"$work/train.err" &
    local process=$!
    while kill -0 $process 2>/dev/null; do
        if $condition || [[ $(date +%s%N) -ge $end ]]; then
            kill -9 $process 2>/dev/null
            break
        fi
        sleep 0.002
    done
    wait $process 2>/dev/null || status=$?
    killed=$((status == 137))
    [[ $status -eq 137 || $status -eq 0 ]] || fail "a resumed run: $(tail -1 "$work/train.err")"
}
never() { false; }
saving() { compgen -G "$run/*.safetensors.tmp.*" >/dev/null; }

kills=0 inside=0 early=0
for ((attempt = 1; attempt <= 40 && kills < 10; attempt++)); do
    case $((attempt % 3)) in
    1) # before the first save of a new run
        rm -rf "$run"
        kill_when never $((RANDOM % (took / 8 + 1)))
        [[ $killed -eq 1 && ! -e $run/state.safetensors ]] && early=$((early + 1))
        ;;
    2) # inside a save, as soon as one is seen
        kill_when saving 60000
        inside=$((inside + killed))
        ;;
    0)
        kill_when never $((took / 8 + RANDOM % (took / 2 + 1)))
        ;;
    esac
    kills=$((kills + killed))
    if [[ $killed -eq 0 ]]; then
        same "$run" "ended between kills"
        rm -rf "$run"
    fi
done
echo "killed $kills times, $early of them before the first save, $inside inside a save"
[[ $kills -ge 10 && $early -ge 1 && $inside -ge 2 ]] || fail "only $kills kills, $early early, $inside inside a save"
train "$run" --resume || fail "the run killed $kills times: $(tail -1 "$work/train.err")"
same "$run" "killed $kills times"

# Killed inside a row, which a slow disk may show cut anywhere; and a run that an earlier version began, with fewer
# columns: one table either way.
rm -rf "$run" && train "$run" --max-steps 4
printf '1,3,2.' >>"$run/metrics.csv"
printf '5,1.2' >>"$run/steps.csv"
train "$run" --resume || fail "the run with torn rows: $(tail -1 "$work/train.err")"
same "$run" "torn rows"
rm -rf "$run" && train "$run" --max-steps 4
cut -d, -f1-9 "$run/metrics.csv" >"$work/cut" && cp "$work/cut" "$run/metrics.csv"
train "$run" --resume || fail "the run with fewer columns: $(tail -1 "$work/train.err")"
same "$run" "fewer columns"
finish
