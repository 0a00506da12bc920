#!/bin/bash
# The manual pages and completions say what --help says: every subcommand has a page, with every flag and setting, that
# man and mandoc take without a word; and bash, zsh and fish, as far as they are here, offer what can be typed.
# label: slow
ocelli=$1
# shellcheck source=tests/support/shell.sh
. tests/support/shell.sh
build=$(cd "$(dirname "$ocelli")" && pwd)
manual=$build/manual
support=$PWD/tests/support

# same WHAT EXPECTED FOUND: two lists of lines hold the same, in any order.
same() {
    local difference
    difference=$(diff <(sort -u <<<"$2") <(sort -u <<<"$3") | grep '^[<>]' | tr '\n' ' ')
    [[ -z $difference ]] || fail "$1: expected <, found >: $difference"
}

# ---- pages ----

mapfile -t commands < <("$ocelli" --help | awk -F '  +' '/^  [a-z]/ { print $2 }')
[[ ${#commands[@]} -ge 13 ]] || fail "--help lists ${#commands[@]} subcommands"
same "pages" "$(printf 'ocelli.1\n'; printf 'ocelli-%s.1\n' "${commands[@]// /-}")" "$(ls "$manual/man1")"

# help_flags COMMAND: the flags that its --help lists; page_flags: those that its page does.
help_flags() {
    # shellcheck disable=SC2086
    "$ocelli" $1 --help | sed -n 's/^  \(--[a-z0-9-]*\).*/\1/p'
}
page_items() {
    grep -A 1 '^\.TP' "$manual/man1/ocelli-${1// /-}.1" | sed -n 's/^\\fB//p' | sed 's/\\-/-/g; s/\\fR.*//'
}
for command in "${commands[@]}"; do
    page=$manual/man1/ocelli-${command// /-}.1
    same "flags of $command" "$(help_flags "$command")" "$(page_items "$command" | grep -e '^--')"
    for section in NAME SYNOPSIS DESCRIPTION OPTIONS 'EXIT STATUS' EXAMPLES 'SEE ALSO'; do
        grep -q "^\.SH $section\$" "$page" || fail "the page of $command has no $section"
    done
    grep -q "ocelli.-${command// /.-}.fR(1)" "$manual/man1/ocelli.1" || fail "ocelli.1 does not list $command"
    docs=$(sed -n 's/\\-/-/g; s/^\(docs\/[a-z-]*\.md\) .*/\1/p' "$page")
    [[ -z $docs || -f $docs ]] || fail "the page of $command names $docs, which is not there"
done
same "settings of train" "$("$ocelli" train --help | sed -n 's/^  \([a-z_]*\.[a-z0-9_]*\)  .*/\1/p')" \
    "$(page_items train | grep -e '^[a-z0-9_]*\.')"
# A range and a default of the table.
grep -A 3 '^.fBtrain\.batch_size' "$manual/man1/ocelli-train.1" | tr '\n' ' ' |
    grep -q 'From 1 to 65536; .fB64.fR unless given' || fail "the page of train lacks the range of train.batch_size"

if command -v mandoc >/dev/null; then
    mandoc -Tlint "$manual"/man1/*.1 >"$work/lint" 2>&1
    [[ ! -s $work/lint ]] || fail "mandoc: $(head -5 "$work/lint")"
else
    echo "mandoc: not linted, it is not installed"
fi
if command -v man >/dev/null && man --version >/dev/null 2>&1; then
    for page in "$manual"/man1/*.1; do
        LC_ALL=C.UTF-8 MANWIDTH=80 man --warnings -l "$page" >"$work/page" 2>"$work/lint" || fail "man: $page"
        [[ ! -s $work/lint ]] || fail "man: $page: $(head -5 "$work/lint")"
        [[ $(wc -L <"$work/page") -le 80 ]] || fail "man: $page is wider than 80 columns"
    done
else
    echo "man: not tried, it is not installed"
fi

# ---- the same everywhere ----

# generate FOLDER ASSIGNMENT...: as the build does, under other circumstances.
generate() {
    local folder=$1
    shift
    mkdir -p "$folder"
    env "$@" "$build/ocelli-manual" "$folder" "$PWD/cli/manual" 2001-02-03
}
quietly generate "$work/one" -u SOURCE_DATE_EPOCH LC_ALL=C
quietly generate "$work/two" -u SOURCE_DATE_EPOCH OC_CPU=baseline OMP_NUM_THREADS=1 TZ=Asia/Tokyo HOME=/nowhere
diff -r "$work/one" "$work/two" >"$work/lint" || fail "not the same twice: $(head -5 "$work/lint")"
for file in ocelli.bash _ocelli ocelli.fish; do cmp "$work/one/$file" "$manual/$file" || fail "$file is not as built"; done
quietly generate "$work/epoch" SOURCE_DATE_EPOCH=86399
grep -q '^\.TH OCELLI 1 1970-01-01 ' "$work/epoch/man1/ocelli.1" || fail "SOURCE_DATE_EPOCH does not date the pages"
env SOURCE_DATE_EPOCH=soon "$build/ocelli-manual" "$work/one" cli/manual 2001-02-03 2>"$work/err" &&
    fail "SOURCE_DATE_EPOCH=soon is taken"
"$build/ocelli-manual" "$work/missing" cli/manual 2001-02-03 2>"$work/err" && fail "a folder that is not there is taken"
"$build/ocelli-manual" "$work/one" "$work" 2001-02-03 2>"$work/err" && fail "templates that are not there are taken"

# ---- completions ----

# Where they are tried: files of each kind, and an ocelli that tells when it is run.
mkdir -p "$work/here/a run" "$work/here/images" "$work/bin"
touch "$work/here/"{best.safetensors,data.zip,"my own.yaml",notes.txt}
printf '#!/bin/sh\ntouch "%s/ran"\n' "$work" >"$work/bin/ocelli"
chmod +x "$work/bin/ocelli"
export PATH=$work/bin:$PATH

models=$("$ocelli" models | awk 'NR > 1 { print $1 }')
tops=$(printf '%s\n' "${commands[@]%% *}")
folders=$'a run\nimages'
# Lines, and below each what is to be offered, in lines; "flags": those of --help.
lines=() wanted=()
case_of() {
    lines+=("$1")
    wanted+=("$2")
}
case_of 'ocelli ' "$tops"
case_of 'ocelli tra' train
case_of 'ocelli data ' "$(printf '%s\n' "${commands[@]}" | sed -n 's/^data //p')"
case_of 'ocelli data inf' info
case_of 'ocelli nonsense ' ''
for command in "${commands[@]}"; do case_of "ocelli $command --" "$(help_flags "$command")"; done
case_of 'ocelli train --epochs 3 --preci' --precision
case_of 'ocelli train --epochs ' ''
case_of 'ocelli train --model ' "$models"
case_of 'ocelli train --model=skresnet1' skresnet18
case_of 'ocelli models ' "$models"
case_of 'ocelli train --precision ' $'fp32\nbf16\nauto'
case_of 'ocelli eval --precision=b' bf16
case_of 'ocelli bench --tune ' $'off\nquick\nfull'
case_of 'ocelli predict --format ' $'table\ncsv\njson'
case_of 'ocelli data pack --verify=' all
case_of 'ocelli ensemble --fit-on hold' holdout:
case_of 'ocelli train --set ' "$("$ocelli" train --help | sed -n 's/^  \([a-z_]*\.[a-z0-9_]*\)  .*/\1/p')"
case_of 'ocelli train --set clip.' clip.norm
case_of 'ocelli eval --set optimizer.name=' $'adamw\nsgd'
case_of 'ocelli train --set=schedule.name=co' $'constant\ncosine'
case_of 'ocelli train --set model.name=skresnet1' skresnet18
case_of 'ocelli train --set data.augment=' $'true\nfalse'
case_of 'ocelli train --set optimizer.lr=' ''
case_of 'ocelli train --data ' "$folders"$'\ndata.zip'
case_of 'ocelli train --data=d' data.zip
case_of 'ocelli eval --weights ' "$folders"$'\nbest.safetensors'
case_of 'ocelli train --recipe ' "$folders"$'\nmy own.yaml'
case_of 'ocelli train --cache ' "$folders"
case_of 'ocelli eval --classes n' notes.txt
case_of 'ocelli study m' 'my own.yaml'
case_of 'ocelli report ' "$folders"
case_of 'ocelli data info --threads 2 ' "$folders"$'\ndata.zip'
case_of 'ocelli ensemble best.safetensors --data images b' best.safetensors
case_of 'ocelli predict --weights best.safetensors n' notes.txt

# try SHELL COMMAND...: the command is given the lines; it prints "== LINE" before what is offered for each. A shell may
# offer the whole word or what is behind its last equals sign, with a backslash before spaces, "/" behind a folder, "="
# behind a key, a description behind a tab, and flags where a word may stand as well.
try() {
    local shell=$1 i offered
    shift
    (cd "$work/here" && "$@" "${lines[@]}") >"$work/offered" 2>"$work/err" || fail "$shell: $(head -5 "$work/err")"
    [[ ! -s $work/err ]] || fail "$shell: $(head -5 "$work/err")"
    sed -i 's/\t.*//; s/\\ / /g; s/[/=]$//' "$work/offered"
    for i in "${!lines[@]}"; do
        offered=$(awk -v line="${lines[i]%=}" '/^== / { on = $0 == "== " line; next } on' "$work/offered")
        case ${lines[i]} in
        *' --') offered=$(sed 's/=.*//' <<<"$offered") ;;
        *' --'*[a-z]) offered=$(sed 's/^--[a-z-]*=//; s/.*=//' <<<"$offered") ;;
        *) offered=$(sed 's/^--[a-z-]*=//; s/.*=//; /^--/d' <<<"$offered") ;;
        esac
        same "$shell: ${lines[i]}" "${wanted[i]}" "$offered"
    done
    [[ ! -e $work/ran ]] || fail "$shell: completing runs ocelli"
    echo "$shell: ${#lines[@]} lines tried"
}

try bash bash --norc --noprofile "$support/complete.bash" "$manual/ocelli.bash"
package=/usr/share/bash-completion/bash_completion
if [[ -r $package ]]; then
    try "bash with bash-completion" bash --norc --noprofile "$support/complete.bash" "$package" "$manual/ocelli.bash"
else
    echo "bash-completion: not tried, it is not installed"
fi
if command -v zsh >/dev/null; then
    try zsh zsh -f "$support/complete.zsh" "$manual"
else
    echo "zsh: not tried, it is not installed"
fi
if command -v fish >/dev/null; then
    HOME=$work try fish fish --no-config "$support/complete.fish" "$manual/ocelli.fish"
else
    echo "fish: not tried, it is not installed"
fi
finish
