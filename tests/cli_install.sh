#!/bin/bash
# What is installed can be used: the command runs, and a program that knows only the public headers and pkg-config
# builds with the shared library and says of an image what the command says.
ocelli=$1
# shellcheck source=tests/support/shell.sh
. tests/support/shell.sh
build=$(dirname "$ocelli")
prefix=$work/prefix
if instrumented; then
    echo "skipped: an instrumented build is not installed"
    exit 77
fi
quietly cmake --install "$build" --prefix "$prefix"
pc=$(find "$prefix" -name ocelli.pc)
[[ -n $pc ]] || fail "no pkg-config file was installed"
library=$(dirname "$(find "$prefix" -name 'libocelli.so' | sed -n 1p)")
export PKG_CONFIG_PATH
PKG_CONFIG_PATH=$(dirname "$pc")
read -ra flags <<<"$(pkg-config --define-variable=prefix="$prefix" --cflags --libs ocelli)"
quietly "${CC:-cc}" -std=c17 -Wall -Wextra -Werror examples/classify.c "${flags[@]}" -o "$work/classify"

quietly "$ocelli" data demo "$work/data" --classes 3 --per-class 8
quietly "$prefix/bin/ocelli" train --data "$work/data" --size 32 --batch-size 8 --epochs 1 --max-steps 1 --out "$work/run"
image=$work/data/val/images/val_0.JPEG
quietly env LD_LIBRARY_PATH="$library" "$work/classify" "$work/run/last.safetensors" "$image"
said=$(awk '{print $2}' "$work/out")
quietly "$prefix/bin/ocelli" predict --weights "$work/run/last.safetensors" --top-k 1 --format csv "$image"
grep -q "$said" "$work/out" || fail "the program says $said, the command: $(tail -1 "$work/out")"
LD_LIBRARY_PATH=$library "$work/classify" "$work/nothing" "$image" >"$work/out" 2>"$work/err" &&
    fail "the program goes on without weights"
grep -q "$work/nothing" "$work/err" || fail "the program does not name the missing file"
# A helper program is found where it was installed: what is missing, it says itself.
if [[ -x $build/ocelli-serve ]]; then
    expect 2 'serve: name --weights, --runs, or both' "$prefix/bin/ocelli" serve
    [[ -x $prefix/bin/ocelli-serve ]] && fail "the helper program is among the commands"
fi
if [[ -x $build/ocelli-fetch ]]; then
    expect 2 "did you mean 'tiny-imagenet'" "$prefix/bin/ocelli" data fetch tinyimagenet "$work"
fi
# A page for each subcommand is found by man, and each shell's completion where that shell looks for it.
pages=$("$ocelli" --help | grep -c '^  [a-z]')
found=$(find "$prefix/share/man/man1" -name 'ocelli*.1' | wc -l)
[[ $found -eq $((pages + 1)) ]] || fail "$found manual pages were installed for $pages subcommands"
if command -v man >/dev/null && man --version >/dev/null 2>&1; then
    quietly env MANPATH="$prefix/share/man" man -w ocelli-data-info
fi
for file in bash-completion/completions/ocelli fish/vendor_completions.d/ocelli.fish zsh/site-functions/_ocelli; do
    [[ -s $prefix/share/$file ]] || fail "there is no share/$file"
done
if [[ -r /usr/share/bash-completion/bash_completion ]]; then
    # Its function was renamed in 2.12.
    # shellcheck disable=SC2016
    quietly env XDG_DATA_DIRS="$prefix/share" bash --norc --noprofile -c 'source /usr/share/bash-completion/bash_completion
        if declare -F _comp_load >/dev/null; then _comp_load ocelli; else __load_completion ocelli; fi
        complete -p ocelli | grep -q "_ocelli ocelli"'
fi
if command -v fish >/dev/null; then
    quietly env HOME="$work" PATH="$prefix/bin:$PATH" XDG_DATA_DIRS="$prefix/share:/usr/share" fish -c \
        "complete -C 'ocelli tra' | string match -q 'train*'"
fi
if [[ -e /etc/debian_version ]]; then
    quietly env DESTDIR="$work/root" cmake --install "$build" --prefix /usr
    [[ -s $work/root/usr/share/zsh/vendor-completions/_ocelli ]] || fail "Debian's zsh does not find it below /usr"
fi
# What only the build needs is not there.
find "$prefix" -name 'ocelli-manual*' | grep . && fail "the program that writes the pages was installed"
# Only the public functions are there.
nm -D --defined-only "$library/libocelli.so" | awk '{print $3}' | sort >"$work/symbols"
grep -qx oc_trainer_run "$work/symbols" || fail "the shared library lacks oc_trainer_run"
grep -vE '^oc_' "$work/symbols" && fail "the shared library exports what is not its own"
grep -qx oc_plan_create "$work/symbols" && fail "the shared library exports inner functions"
finish
