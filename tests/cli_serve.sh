#!/bin/bash
# The command `serve`: what it refuses, that it says of images what `predict` says, tokens, names of classes, and its
# end. Requests go through bash's own sockets, so that no other program is needed.
ocelli=$1
# shellcheck source=tests/support/shell.sh
. tests/support/shell.sh
if [[ ! -x $(dirname "$ocelli")/ocelli-serve ]]; then
    expect 1 'serve: its program ocelli-serve is not there.*libmicrohttpd-dev' "$ocelli" serve --runs "$work"
    finish
    echo "skipped: built without libmicrohttpd"
    exit 77
fi

# request METHOD TARGET [FILE [HEADER…]]: the whole answer into $work/answer.
request() {
    local method=$1 target=$2 file=${3:-} size=0
    [[ -n $file ]] && size=$(stat -c %s "$file")
    exec 3<>"/dev/tcp/127.0.0.1/$port" || { fail "cannot connect"; return 1; }
    {
        printf '%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n' "$method" "$target"
        [[ $# -gt 3 ]] && printf '%s\r\n' "${@:4}"
        [[ -n $file ]] && printf 'Content-Length: %s\r\n' "$size"
        printf '\r\n'
        [[ -n $file ]] && cat "$file"
    } >&3
    timeout 30 cat <&3 >"$work/answer"
    exec 3>&-
}

# answers STATUS PATTERN: the last answer has that status, and matches.
answers() {
    head -1 "$work/answer" | grep -q "^HTTP/1.1 $1 " || fail "answers $(head -1 "$work/answer"), not $1"
    grep -qE "$2" <(tr -d '\r' <"$work/answer") || fail "$(tail -1 "$work/answer") does not say $2"
}

# start ARGUMENTS…: a server in the background, once it listens.
start() {
    : >"$work/serve.out"
    "$ocelli" serve --port 0 --threads 2 "$@" >"$work/serve.out" 2>"$work/serve.err" &
    server=$!
    for ((i = 0; i < 600; i++)); do
        port=$(sed -n 's|^serving at http://.*:\([0-9]*\)/$|\1|p' "$work/serve.out")
        [[ -n $port ]] && return 0
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    fail "serve $*: does not begin: $(cat "$work/serve.err")"
    return 1
}

# stop: it ends with 0, and says nothing. By SIGTERM: what a script starts in the background has SIGINT ignored.
stop() {
    local status=0
    kill -TERM "$server"
    wait "$server" || status=$?
    [[ $status -eq 0 ]] || fail "stopped, it exits $status: $(cat "$work/serve.err")"
    [[ -s $work/serve.err ]] && fail "writes to standard error: $(cat "$work/serve.err")"
}

# guesses: class and probability of an answer's predictions, one a line; those of predict likewise.
guesses() {
    grep -oE '"class":"[^"]*"|"probability":[0-9.e-]*' "$1" | sed 's/.*://; s/"//g' | paste - - |
        awk '{ printf "%s %.5f\n", $1, $2 }'
}

expect 2 'serve: name --weights, --runs, or both' "$ocelli" serve
expect 2 '--prot: .*--port' "$ocelli" serve --prot 1
expect 2 '--port: "70000"' "$ocelli" serve --runs "$work" --port 70000
expect 2 '--max-body: "0"' "$ocelli" serve --runs "$work" --max-body 0
expect 1 "$work/nothing: " "$ocelli" serve --weights "$work/nothing"
expect 1 "$work/nothing: .*folder" "$ocelli" serve --runs "$work/nothing"
echo short >"$work/token"
expect 1 "$work/token: a token has" "$ocelli" serve --runs "$work" --token "$work/token"
expect 2 'host: ' "$ocelli" serve --runs "$work" --host 'no host'

quietly "$ocelli" data demo "$work/data" --classes 6 --per-class 10
mkdir "$work/runs"
quietly "$ocelli" train --data "$work/data" --model myresnet-tiny --size 32 --batch-size 8 --epochs 1 --max-steps 4 \
    --out "$work/runs/one"
weights=$work/runs/one/best.safetensors
expect 2 '--precision: .*"fp8"' "$ocelli" serve --weights "$weights" --precision fp8

# The same five guesses as predict, by name.
if start --weights "$weights" --runs "$work/runs" --words "$work/data/words.txt"; then
    for image in "$work"/data/val/images/val_{0,1,2}.JPEG; do
        request POST /v1/classify "$image"
        answers 200 '"model":"myresnet-tiny"'
        quietly "$ocelli" predict --weights "$weights" --words "$work/data/words.txt" --format json "$image"
        [[ $(guesses "$work/out" | wc -l) -eq 5 ]] || fail "predict makes no five guesses"
        diff <(guesses "$work/out") <(guesses "$work/answer") || fail "$image: other guesses than predict's"
        diff <(grep -o '"name":"[^"]*"' "$work/out") <(grep -o '"name":"[^"]*"' "$work/answer" | tail -n +2) ||
            fail "$image: other names than predict's"
    done
    request GET /v1/runs
    answers 200 '"live":true,"classify":true'
    request GET /
    answers 200 "connect-src 'self'"
    request GET /metrics
    answers 200 '^ocelli_images_total 3$'
    request POST /v1/classify "$work/data/words.txt"
    answers 415 'not an image'
    request GET /nothing
    answers 404 'there is no /nothing'
    expect 1 'cannot listen there.*choose another port' "$ocelli" serve --runs "$work/runs" --port "$port"
    stop
fi

# Names without being told: the evaluation beside the weights has them.
if [[ -e $work/runs/one/evaluation.json ]] && start --weights "$weights"; then
    request GET /v1/model
    answers 200 '"name":"disc, round plate"'
    stop
fi

# A token.
echo "a-long-token" >"$work/token"
chmod 600 "$work/token"
if start --weights "$weights" --token "$work/token"; then
    request GET /v1/model
    answers 401 '^WWW-Authenticate: Bearer'
    request GET /v1/model '' 'Authorization: Bearer a-long-token'
    answers 200 '"classes"'
    request GET /healthz
    answers 200 '"ok"'
    stop
fi

# What has been taken is answered at the end.
if start --weights "$weights" --wait 2000; then
    request POST /v1/classify "$work/data/val/images/val_0.JPEG" &
    client=$!
    sleep 0.5
    kill -TERM "$server"
    wait "$client"
    answers 200 '"predictions"'
    wait "$server" || fail "with a request on its way: exits $?"
fi
finish
