# Completion of ocelli for bash, with or without the package bash-completion. Generated from the command's own tables;
# it runs nothing of ocelli.
# shellcheck shell=bash

# Replies, which begin with $value.
_ocelli_among() {
    mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -W "$*" -- "$value")
}

_ocelli_folders() {
    compopt -o filenames 2>/dev/null
    mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -d -- "$value")
}

# Files whose names end so; any without an argument.
_ocelli_files() {
    compopt -o filenames 2>/dev/null
    if [[ $# -eq 0 ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$value")
    else
        mapfile -t COMPREPLY < <(compgen -d -- "$value"; compgen -f -X "!*$1" -- "$value")
    fi
}

_ocelli_models() {
{{models}}
}

_ocelli_settings() {
    if [[ $value != *=* ]]; then
{{keys}}
        return
    fi
    local key=${value%%=*}
    value=${value#*=}
    case $key in
{{settings}}
    esac
}

# What may stand first, or behind the name of a group.
_ocelli_subcommands() {
    case $1 in
{{subcommands}}
    *) return 1 ;;
    esac
}

# Sets the flags of a subcommand, and which of them take the next word.
_ocelli_flags() {
    case $1 in
{{flags}}
    *) return 1 ;;
    esac
}

# Completes the value of a flag, or the word of that number, of a subcommand.
_ocelli_value() {
    case $1/$2 in
{{values}}
    *) return 1 ;;
    esac
}

# bash has taken words apart at '=' and ':'; here they are as they were typed, up to the cursor.
_ocelli_typed() {
    local rest=${COMP_LINE:0:COMP_POINT} after word i
    for ((i = 0; i <= COMP_CWORD; i++)); do
        after=${rest#"${rest%%[![:space:]]*}"}
        word=${COMP_WORDS[i]}
        [[ $i -lt $COMP_CWORD ]] || word=$after
        if [[ $i -gt 0 && $after == "$rest" ]]; then
            typed[-1]+=$word
        else
            typed+=("$word")
        fi
        rest=${after#"$word"}
    done
}

# Replies to $current, the last of the $typed words, whose part that is replied to becomes $value.
_ocelli_reply() {
    local command=${typed[1]} flags='' valued='' flag='' words=0 first=2 over='' i
    if [[ ${#typed[@]} -eq 2 ]]; then
        _ocelli_subcommands ''
        return
    fi
    if _ocelli_subcommands "$command"; then
        [[ ${#typed[@]} -gt 3 ]] || return
        COMPREPLY=()
        command+=" ${typed[2]}"
        first=3
    fi
    _ocelli_flags "$command" || return
    for ((i = first; i < ${#typed[@]} - 1; i++)); do
        if [[ $flag ]]; then
            flag=''
        elif [[ $over || ${typed[i]} != -?* ]]; then
            words=$((words + 1))
        elif [[ ${typed[i]} == -- ]]; then
            over=yes
        elif [[ " $valued " == *" ${typed[i]} "* ]]; then
            flag=${typed[i]}
        fi
    done
    if [[ $flag ]]; then
        _ocelli_value "$command" "$flag"
    elif [[ -z $over && $current == --*=* ]]; then
        value=${current#*=}
        _ocelli_value "$command" "${current%%=*}"
    elif [[ $over || $current != -* ]] && _ocelli_value "$command" $words; then
        :
    elif [[ -z $over ]]; then
        _ocelli_among "$flags"
    fi
}

_ocelli() {
    local typed=() current value i
    COMPREPLY=()
    _ocelli_typed
    current=${typed[-1]}
    value=$current
    _ocelli_reply
    # What stands before the value stays there; of that, readline wants only what is behind its own last break.
    local before=${current%"$value"} breaks='' behind
    [[ $COMP_WORDBREAKS != *=* ]] || breaks+='='
    [[ $COMP_WORDBREAKS != *:* ]] || breaks+=':'
    behind=$current
    [[ -z $breaks ]] || behind=${current##*["$breaks"]}
    for i in "${!COMPREPLY[@]}"; do
        COMPREPLY[i]=$before${COMPREPLY[i]}
        COMPREPLY[i]=${COMPREPLY[i]#"${current%"$behind"}"}
    done
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=:] ]]; then compopt -o nospace 2>/dev/null; fi
    return 0
}

complete -F _ocelli ocelli
