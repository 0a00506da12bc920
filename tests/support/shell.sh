# shellcheck shell=bash
# What the tests of the command share; to be sourced with the command's path in $ocelli. Makes a folder of its own,
# $work, and removes it at the end; the cache lies in it.
set -uo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_CACHE_HOME=$work/cache
failures=0

fail() {
    echo "FAILED: $1"
    failures=$((failures + 1))
}

# quietly COMMAND...: must exit 0; its output is shown where it does not.
quietly() {
    local status=0
    "$@" >"$work/out" 2>"$work/err" || status=$?
    [[ $status -eq 0 ]] && return 0
    fail "$* exits $status"
    tail -n 5 "$work/out" "$work/err"
    return 1
}

# expect STATUS PATTERN COMMAND...: the command exits with STATUS and its last line on standard error is the only one
# of an error, "ocelli: ...", and matches the extended regular expression PATTERN.
expect() {
    local expected=$1 pattern=$2 status=0
    shift 2
    "$@" >"$work/out" 2>"$work/err" || status=$?
    local line
    line=$(tail -1 "$work/err")
    [[ $status -eq $expected ]] || fail "$*: exits $status, not $expected: $line"
    [[ $line == "ocelli: "* ]] || fail "$*: no error line, but: $line"
    [[ $line =~ $pattern ]] || fail "$*: \"$line\" does not say $pattern"
    [[ $(grep -c '^ocelli: ' <(grep -v '^ocelli: warning: ' "$work/err")) -eq 1 ]] || fail "$*: not one error line"
}

# number KEY: the first number under KEY in the JSON that the last command printed.
number() {
    grep -o "\"$1\":[-+0-9.e]*" "$work/out" | sed -n 1p | cut -d: -f2
}

# holds EXPRESSION: true when awk finds it so.
holds() {
    awk "BEGIN { exit !($1) }"
}

# judge COMMAND...: what timm says of it, by tests/support/judge_timm.py in $python; its exit status. One process answers all.
judge() {
    local line
    if [[ -z ${judging_PID:-} ]]; then
        coproc judging { "$python" tests/support/judge_timm.py 2>&1; }
    fi
    printf '%q ' "$@" >&"${judging[1]}"
    echo >&"${judging[1]}"
    while read -r line <&"${judging[0]}"; do
        [[ $line != "= "* ]] || return "${line#= }"
        printf '%s\n' "$line"
    done
    return 1
}

# Sums of every file below a folder, for comparing before and after.
sums() {
    find "$1" -type f -print0 | LC_ALL=C sort -z | xargs -0 -r sha256sum
}

# True where the command is built for sanitizers or coverage.
instrumented() {
    grep -qaE '__asan_init|__tsan_init|__ubsan_handle|__gcov_' "$ocelli"
}

finish() {
    [[ $failures -eq 0 ]] || { echo "$0: $failures failures"; exit 1; }
    echo "$0: all as expected"
}
