#compdef ocelli
# Completion of ocelli for zsh. Generated from the command's own tables; it runs nothing of ocelli.

_ocelli_models() {
  local -a models=(
{{models}}
  )
  _describe -t models model models
}

_ocelli_settings() {
  local -a keys=(
{{keys}}
  )
  if ! compset -P '*='; then
    _describe -t settings setting keys -qS =
    return
  fi
  case ${${IPREFIX%=}##*=} in
{{settings}}
  (*) _message value ;;
  esac
}

{{functions}}
_ocelli() {
  local curcontext=$curcontext state line
  local -A opt_args
  local -a subcommands=(
{{subcommands}}
  )
  _arguments -C \
    '(- *)--help[list the subcommands]' \
    '(- *)--version[print versions, processor and threads]' \
    '1: :->subcommand' \
    '*:: :->rest' && return
  if [[ $state == subcommand ]]; then
    _describe -t subcommands subcommand subcommands
    return
  fi
  case $words[1] in
{{groups}}
  esac
  curcontext=${curcontext%:*}-${words[1]// /-}:
  case $words[1] in
{{calls}}
  esac
}

# Called by the completion system, which has it from $fpath, or read by `source`.
if [[ $funcstack[1] == _ocelli ]]; then
  _ocelli "$@"
else
  compdef _ocelli ocelli
fi
