#!/bin/bash
# label: slow
# Whatever OpenMP's environment says, every subcommand ends, with as many threads as there really are, and says in one
# line what was overruled. CPU quotas count. A second signal ends a run at once. What never ends fails by its timeout.
ocelli=$1
# shellcheck source=tests/support/shell.sh
. tests/support/shell.sh
data=$work/data
grep -qa __tsan_init "$ocelli" && { echo "teams are on pthreads here, which OpenMP's environment does not reach"; exit 77; }
unset OMP_NUM_THREADS OMP_THREAD_LIMIT OMP_DYNAMIC OMP_MAX_ACTIVE_LEVELS OMP_PROC_BIND OMP_PLACES GOMP_CPU_AFFINITY

# within SETTINGS COMMAND...: runs ocelli with the words of SETTINGS in its environment, perhaps by a command that they
# end with; must exit 0.
within() {
    local settings=$1
    shift
    # shellcheck disable=SC2086
    quietly env $settings timeout -k 5 240 "$ocelli" "$@"
}
# told LINE: the last command said LINE ("": nothing) about threads, and no more.
told() {
    local lines
    lines=$(grep -hE '^(ocelli: warning: )?threads: ' "$work/err")
    [[ $lines == "$1" ]] || fail "$2: says \"$lines\", not \"$1\""
}

within "" data demo "$data" --classes 3 --per-class 8
train=(train --data "$data" --model myresnet-small --size 32 --batch-size 10 --max-steps 1)

echo "-- training"
within "" "${train[@]}" --threads 2 --out "$work/two"
told "" "nothing set"
within "" "${train[@]}" --threads 1 --out "$work/one"
# case_of SETTINGS LINE THREADS LIKE: where two threads are asked for, LINE is said, and the weights are those of the
# run LIKE.
case_of() {
    rm -rf "$work/run"
    within "$1" "${train[@]}" --threads 2 --out "$work/run" || return
    told "$2" "$1"
    grep -q ", $3 threads" "$work/run/log.txt" || fail "$1: not $3 threads in log.txt"
    [[ -z $2 ]] || grep -qF "${2#ocelli: warning: }" "$work/run/log.txt" || fail "$1: log.txt does not say why"
    cmp -s "$work/run/last.safetensors" "$work/$4/last.safetensors" || fail "$1: not the bits of $4 threads"
}
limit="ocelli: warning: threads: OMP_THREAD_LIMIT=1: 1 thread instead of 2"
case_of OMP_THREAD_LIMIT=1 "$limit" 1 one
case_of OMP_THREAD_LIMIT=2 "" 2 two
case_of OMP_DYNAMIC=true "threads: OMP_DYNAMIC=true is overruled" 2 two
case_of OMP_MAX_ACTIVE_LEVELS=0 "threads: OMP_MAX_ACTIVE_LEVELS=0 is overruled" 2 two
case_of OMP_NUM_THREADS=1 "" 2 two
case_of OMP_STACKSIZE=64k "" 2 two

echo "-- bits depend on the number of threads: a run goes on with its own only"
cp -r "$work/two" "$work/resumed"
expect 1 'had 2 threads.*OMP_THREAD_LIMIT=1: 1 thread instead of 2' env OMP_THREAD_LIMIT=1 timeout -k 5 60 \
    "$ocelli" train --data "$data" --out "$work/resumed" --resume --max-steps 2

echo "-- by default, and bound to processors"
threads=$("$ocelli" --version | sed -n 's/^threads \([0-9]*\).*/\1/p')
if [[ $threads -ge 2 ]]; then
    for setting in OMP_PROC_BIND=true OMP_PROC_BIND=close OMP_PROC_BIND=spread; do
        within "$setting" bench --infer --model myresnet-tiny --size 32 --steps 2 --json
        told "" "$setting"
        [[ $(number threads) == "$threads" ]] || fail "$setting: $(number threads) threads instead of $threads"
    done
    within "OMP_PROC_BIND=true" "${train[@]}" --threads 2 --out "$work/bound"
    told "" "OMP_PROC_BIND=true"
    cmp -s "$work/bound/last.safetensors" "$work/two/last.safetensors" || fail "bound: other bits"
    within "OMP_PROC_BIND=master" "${train[@]}" --out "$work/master"
    told "threads: OMP_PROC_BIND=master: 1 thread instead of $threads" "OMP_PROC_BIND=master"
    within "OMP_NUM_THREADS=1" --version
    grep -q "^threads 1 (OMP_NUM_THREADS=1: 1 thread instead of $threads)$" "$work/out" || fail "$(cat "$work/out")"
fi

echo "-- the other subcommands"
limit=${limit/ocelli: warning: /}
weights=$work/two/last.safetensors
cat >"$work/study.yaml" <<'END'
set: {model.name: myresnet-tiny, data.size: 32, train.batch_size: 10, train.epochs: 1}
runs:
  - name: a
  - name: b
    set: {optimizer.lr: 0.01, mixup.alpha: 0}
END
# The first two of the processors that we may run on, so that the line is the same on every machine.
two=$(for part in $(taskset -cp $$ | sed 's/.*: //; s/,/ /g'); do seq "${part%-*}" "${part#*-}"; done | sed 2q | paste -sd,)
if [[ $two == *,* ]] && taskset -c "$two" "$ocelli" --version | grep -qx 'threads 2'; then
    # once COMMAND...: says it in exactly one line.
    once() {
        within "OMP_THREAD_LIMIT=1 taskset -c $two" "$@" && told "$limit" "$1"
    }
    once eval --data "$data" --weights "$weights"
    once eval --data "$data" --weights "$weights" --paired "$work/one/last.safetensors"
    once predict --weights "$weights" "$data/val/images"
    once predict --weights "$weights" --data "$data" --split val,test --submission "$work/out.csv"
    once data info "$data"
    once data pack "$data" --size 48
    once data demo "$work/demo" --classes 2 --per-class 2
    once bench --model myresnet-tiny --size 32 --steps 2
    once ensemble --data "$data" --fit-on train --epochs 1 --out "$work/joined" "$weights" "$work/one/last.safetensors"
    once study "$work/study.yaml" --data "$data" --out "$work/study" --dry-run
else
    echo "not tried: needs two processors"
fi

echo "-- a CPU quota"
# A folder of our own takes the place of every mounted hierarchy of control groups, for what is run here alone.
cat >"$work/quota" <<'END'
mkdir "$1/groups" || exit
echo "$2 100000" >"$1/groups/cpu.max"
echo "$2" >"$1/groups/cpu.cfs_quota_us"
echo 100000 >"$1/groups/cpu.cfs_period_us"
awk '/ - cgroup2 | - cgroup .*[ ,]cpu(,|$)/ { print $5 }' /proc/self/mountinfo | while read -r place; do
    mount --bind "$1/groups" "$place" || exit
done
exec "$3" --version
END
granted() {
    rm -rf "$work/groups"
    unshare -rm bash "$work/quota" "$work" "$1" "$ocelli" >"$work/out" 2>"$work/err"
}
if [[ $threads -lt 2 ]] || ! grep -qE ' - cgroup2 | - cgroup .*[ ,]cpu(,|$)' /proc/self/mountinfo || ! granted 150000; then
    echo "not tried: needs two processors, control groups, and unshare(1) to be allowed"
else
    line="threads 1 (a CPU quota of 1.5 processors (cgroup): 1 thread instead of $threads)"
    grep -qxF "$line" "$work/out" || fail "1.5 CPUs: $(grep threads "$work/out")"
    granted 20000 && grep -q '^threads 1 (a CPU quota of 0.2 ' "$work/out" || fail "0.2 CPUs: $(grep threads "$work/out")"
    granted 100000000 && grep -qx "threads $threads" "$work/out" || fail "1000 CPUs: $(grep threads "$work/out")"
fi

echo "-- a second signal"
# signals FIRST SECOND: sends both within a step; status = what training ends with. The second waits for the first to
# be taken up: what arrives at once is delivered in any order, or as one.
signals() {
    rm -rf "$work/run"
    # What a script starts in the background has SIGINT ignored, and would keep it so.
    env --default-signal=INT,HUP "$ocelli" train --data "$data" --model seresnet34 --size 64 --batch-size 24 \
        --threads 1 --epochs 100 --out "$work/run" >"$work/out" 2>"$work/err" &
    local process=$!
    until grep -qs 'step 0: val' "$work/run/log.txt" || ! kill -0 $process 2>/dev/null; do sleep 0.01; done
    kill "-$1" $process
    while grep -q '^ShdPnd:.*[1-9a-f]' /proc/$process/status; do :; done
    kill "-$2" $process
    status=0
    wait $process || status=$?
}
for pair in "INT TERM" "TERM TERM" "TERM INT" "HUP TERM"; do
    signals ${pair% *} ${pair#* }
    expected=143
    [[ $pair == *" INT" ]] && expected=130
    [[ $status -eq $expected ]] || fail "$pair: exits $status, not $expected"
    grep -q 'everything saved' "$work/err" && fail "$pair: the step was finished"
done
# A terminal that closes sends SIGHUP, and so does its shell.
for pair in "HUP HUP" "TERM HUP"; do
    signals ${pair% *} ${pair#* }
    [[ $status -eq 130 ]] && grep -q 'everything saved' "$work/err" || fail "$pair: exits $status, $(tail -1 "$work/err")"
done
finish
