#!/bin/bash
# The command `data fetch`: what it refuses, that Ctrl-C keeps what has come and the next start goes on from there, and
# that it touches nothing that is there. Whole downloads are in test_fetch, for here the file is one of 248 MB.
ocelli=$1
# shellcheck source=tests/support/shell.sh
. tests/support/shell.sh
if [[ ! -x $(dirname "$ocelli")/ocelli-fetch ]]; then
    expect 1 'data fetch: its program ocelli-fetch is not there.*libcurl4-openssl-dev and libmd-dev' \
        "$ocelli" data fetch tiny-imagenet "$work"
    finish
    echo "skipped: built without libcurl or libmd"
    exit 77
fi
serve_zeros=$(dirname "$ocelli")/serve_zeros
archive=tiny-imagenet-200.zip
bytes=248100043
export no_proxy='*'

# start BYTES PACE: a server in the background that serves zeros, until stop.
start() {
    coproc server { exec "$serve_zeros" "$@" 2>&1; }
    # shellcheck disable=SC2034
    read -r _ port <&"${server[0]}" || { fail "the server does not begin"; return 1; }
    url=http://127.0.0.1:$port/$archive
}
stop() {
    local pid=$server_PID
    eval "exec ${server[1]}>&-"
    wait "$pid" || fail "the server fails"
}
# asked: what the next request was.
asked() {
    local line=nothing
    read -r -t 20 line <&"${server[0]}"
    echo "$line"
}

expect 2 'data fetch: ' "$ocelli" data fetch
expect 2 'data fetch: ' "$ocelli" data fetch tiny-imagenet
expect 2 'b: one word too many' "$ocelli" data fetch tiny-imagenet a b
expect 2 'the name of the folder is empty' "$ocelli" data fetch tiny-imagenet ''
expect 2 "'tiny-imagnet'; did you mean 'tiny-imagenet'" "$ocelli" data fetch tiny-imagnet "$work"
expect 2 '--ulr: .*--url' "$ocelli" data fetch tiny-imagenet "$work" --ulr x
expect 2 'file:///etc/passwd: this is no address' "$ocelli" data fetch tiny-imagenet "$work/x" --url file:///etc/passwd
expect 1 'http://127.0.0.1:1/: .*--url' "$ocelli" data fetch tiny-imagenet "$work/x" --url http://127.0.0.1:1/
touch "$work/file"
expect 1 "$work/file" "$ocelli" data fetch tiny-imagenet "$work/file" --url http://127.0.0.1:1/
[[ -e $work/x/$archive ]] && fail "there is a file without a server"
ldd "$ocelli" | grep -qE 'libcurl|libmd' && fail "the command itself loads what only its helper needs"

# What is there and wrong stays.
mkdir "$work/there"
echo something >"$work/there/$archive"
sums "$work/there" >"$work/before"
expect 1 "$work/there/$archive: .*has 10 bytes, not $bytes; remove it" "$ocelli" data fetch tiny-imagenet "$work/there"
sums "$work/there" | diff "$work/before" - || fail "what was there has changed"

# Another file at the address.
if start 1000 0; then
    expect 1 "what is there has 1000 bytes, and is not $archive of $bytes bytes" \
        "$ocelli" data fetch tiny-imagenet "$work/other" --url "$url"
    [[ $(asked) == whole ]] || fail "another request than for the whole"
    [[ -z $(find "$work/other" -type f) ]] || fail "something is left of another file"
    stop
fi

# interrupted SIGNAL: a download that the signal ends, once more has come than $had bytes.
interrupted() {
    local part=$work/data/$archive.part status=0 pid
    # What a script starts in the background has SIGINT ignored, unless it is asked for otherwise.
    env --default-signal=INT "$ocelli" data fetch tiny-imagenet "$work/data" --url "$url" >"$work/out" 2>"$work/err" &
    pid=$!
    for ((i = 0; i < 300; i++)); do
        [[ -e $part && $(stat -c %s "$part") -gt $had ]] && break
        sleep 0.1
    done
    kill -"$1" "$pid"
    wait "$pid" || status=$?
    [[ $status -eq 130 ]] || fail "stopped by $1, it exits $status"
    [[ $(tail -1 "$work/err") =~ "ocelli: $part: stopped; "[0-9.]+" MB are kept, and the same command goes on" ]] ||
        fail "stopped by $1, it says: $(cat "$work/err")"
    [[ -e $work/data/$archive ]] && fail "stopped by $1, there is a file"
    had=$(stat -c %s "$part")
    [[ $(find "$work/data" -type f | wc -l) -eq 2 ]] || fail "more is left than the part: $(ls "$work/data")"
}
if start $bytes 20000; then
    had=0
    interrupted INT
    [[ $(asked) == whole ]] || fail "another request than for the whole"
    first=$had
    [[ $first -gt 0 ]] || fail "nothing is kept"
    interrupted TERM
    [[ $(asked) == "from $first" ]] || fail "another request than for the rest from $first"
    [[ $had -gt $first ]] || fail "nothing has come after the first $first bytes"
    grep -q 'MB are there' "$work/err" || fail "does not say that something is there"
    # Two at once.
    "$ocelli" data fetch tiny-imagenet "$work/data" --url "$url" >"$work/first" 2>&1 &
    pid=$!
    [[ $(asked) == "from $had" ]] || fail "another request than for the rest from $had"
    expect 1 'another process is fetching it' "$ocelli" data fetch tiny-imagenet "$work/data" --url "$url"
    kill -TERM "$pid"
    wait "$pid"
    stop
fi
finish
