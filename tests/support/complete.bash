# What bash would offer: bash complete.bash FILE... LINE...
# Reads the completions, files named .bash or bash_completion, and prints, for each line, "== LINE" and below it what is
# offered. Words are taken apart as readline does before it asks.
# shellcheck shell=bash
while [[ $1 == *.bash || $1 == */bash_completion ]]; do
    # shellcheck disable=SC1090
    source "$1"
    shift
done
[[ $(complete -p ocelli) == *"-F _ocelli ocelli" ]] || { echo "ocelli has no completion" >&2; exit 1; }
COMP_WORDBREAKS=$' \t\n"\'><=;|&(:'
for COMP_LINE in "$@"; do
    COMP_POINT=${#COMP_LINE}
    COMP_WORDS=()
    for word in $COMP_LINE; do
        while [[ $word =~ ^([^=:]*)([=:]+)(.*)$ ]]; do
            [[ -z ${BASH_REMATCH[1]} ]] || COMP_WORDS+=("${BASH_REMATCH[1]}")
            COMP_WORDS+=("${BASH_REMATCH[2]}")
            word=${BASH_REMATCH[3]}
        done
        [[ -z $word ]] || COMP_WORDS+=("$word")
    done
    [[ $COMP_LINE != *' ' ]] || COMP_WORDS+=('')
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    COMPREPLY=()
    _ocelli ocelli "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
    printf '%s\n' "== $COMP_LINE" "${COMPREPLY[@]}"
done
