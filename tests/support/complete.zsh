# What zsh would offer: zsh -f complete.zsh FOLDER LINE...
# FOLDER has the file _ocelli. Prints, for each line, a line "== LINE" and below it what would be offered behind it, with
# what zsh keeps before it. An interactive zsh in a terminal of its own is typed the lines, where a key calls the
# completion; its compadd tells what it is given.
emulate -L zsh
zmodload zsh/zpty || exit 77
folder=$1
shift
offered=$(mktemp)
trap 'rm -f $offered' EXIT

start='
PROMPT= fpath=('${(q)folder}' $fpath)
autoload -Uz compinit && compinit -D -u
compadd() {
  # Calls that only look do not offer.
  if [[ ${@[1,(i)(-|--)]} != *-[OAD]\ * ]]; then
    local -a hits
    builtin compadd -A hits "$@"
    local hit
    for hit in $hits; do print -r -- "$IPREFIX$hit" >>'$offered'; done
  fi
  builtin compadd "$@"
}
offer() { _main_complete; print -r -- "-- done" >>'$offered' }
zle -C offer list-choices offer
bindkey "^T" offer
print -r -- "-- done" >'$offered

# Waits for the other zsh, half a minute at most; its terminal has to be read for it to go on.
await() {
  local -i i
  local text
  for ((i = 0; i < 3000; i++)); do
    zpty -r -t typed text
    grep -q -e '^-- done' $offered && return
    sleep 0.01
  done
  print -r -- "-- nothing came"
  exit 1
}

export LC_ALL=C TERM=dumb
zpty typed zsh -f -i
zpty -w typed "eval ${(qq)start}"
await
for line in "$@"; do
  : >$offered
  zpty -w -n typed $'\C-u'$line$'\C-t'
  await
  print -r -- "== $line"
  grep -v -e '^-- done' $offered | LC_ALL=C sort -u
done
zpty -d typed
