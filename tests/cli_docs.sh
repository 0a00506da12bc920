#!/bin/bash
# docs/recipe.md and the README say what the command says: every key with its default, every subcommand and flag.
set -euo pipefail
ocelli=$1
failures=0
complain() {
    echo "docs: $1"
    failures=$((failures + 1))
}

keys=0
while read -r key value _; do
    keys=$((keys + 1))
    # A row "| `key` | default |"; the default may stand in backquotes.
    # shellcheck disable=SC2016
    grep -qE "^\| \`${key//./\\.}\` \| \`?${value//./\\.}\`? \|" docs/recipe.md ||
        complain "docs/recipe.md has no row for $key with default $value"
done < <("$ocelli" train --help | sed -n 's/^  \([a-z_]*\.[a-z0-9_]*\)  *\([^ ]*\) .*/\1 \2 /p')
[[ $keys -ge 20 ]] || complain "train --help lists $keys keys"

rows=$(grep -cE '^\| `[a-z_]+\.[a-z0-9_]+` \|' docs/recipe.md)
[[ $rows -eq $keys ]] || complain "docs/recipe.md has $rows keys, the command $keys"

# Every command line of the README: its subcommand exists and knows its flags.
while read -r line; do
    command=${line#ocelli }
    command=${command%% -*}
    read -ra words <<<"$command"
    subcommand=${words[0]}
    [[ $subcommand == data ]] && subcommand="data ${words[1]}"
    # shellcheck disable=SC2086
    help=$("$ocelli" $subcommand --help) || complain "README: no subcommand '$subcommand'"
    for flag in $(grep -oE -- '--[a-z-]+' <<<"$line"); do
        grep -q -- "  $flag" <<<"$help" || complain "README: '$subcommand' has no $flag"
    done
done < <(grep -E '^ocelli ' README.md)

[[ $failures -eq 0 ]] && echo "docs: $keys keys and the README's commands are as documented"
