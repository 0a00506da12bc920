#!/bin/bash
# What is installed can be used: the command runs, and programs that know the installation alone build with pkg-config
# and with find_package, train, and say of an image what the command says.
# label: slow
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

# The examples outside of the tree, as those find them who have the installation alone: built with pkg-config, and the
# shared or the static library, and with find_package.
examples=$(find "$prefix" -type d -name examples)
warnings=(-std=c11 -Wall -Wextra -Werror)
mkdir "$work/pkg-config" "$work/static"
for program in train classify; do
    read -ra flags <<<"$(pkg-config --cflags --libs ocelli)"
    quietly "${CC:-cc}" "${warnings[@]}" "$examples/$program.c" "${flags[@]}" -o "$work/pkg-config/$program"
    read -ra flags <<<"$(pkg-config --static --cflags --libs ocelli | sed 's/-locelli /-l:libocelli.a /')"
    quietly "${CC:-cc}" "${warnings[@]}" "$examples/$program.c" "${flags[@]}" -o "$work/static/$program"
done
ldd "$work/static/train" | grep libocelli && fail "the static library is not what pkg-config --static links"
quietly cmake -S "$examples" -B "$work/find_package" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_FLAGS="${warnings[*]:1}"
quietly cmake --build "$work/find_package"
# What the README shows of the library is true.
{
    printf '#include <ocelli/ocelli.h>\n#include <stdio.h>\nint main(void) {\n'
    # shellcheck disable=SC2016
    sed -n '/^```c$/,/^```$/{/^```/d;/^#include/d;p}' README.md
    printf '}\n'
} >"$work/readme.c"
read -ra flags <<<"$(pkg-config --cflags --libs ocelli)"
quietly "${CC:-cc}" "${warnings[@]}" "$work/readme.c" "${flags[@]}" -o "$work/readme"
(cd "$work" && LD_LIBRARY_PATH=$library ./readme) >"$work/out" 2>&1
grep -q '^tiny-imagenet-200: ' "$work/out" || fail "the README's program does not miss its data set: $(cat "$work/out")"
# The targets besides ocelli::ocelli; what cannot be had is said.
mkdir "$work/project"
cat >"$work/project/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.16)
project(judge LANGUAGES C)
find_package(ocelli ${WANTED} REQUIRED COMPONENTS ${COMPONENTS})
add_executable(judge ${SOURCE})
target_link_libraries(judge PRIVATE ocelli::${COMPONENTS})
END
# project NAME COMPONENT VERSION SOURCE: configures it in $work/NAME.
project() {
    cmake -S "$work/project" -B "$work/$1" -DCMAKE_PREFIX_PATH="$prefix" -DCOMPONENTS="$2" -DWANTED="$3" -DSOURCE="$4" \
        >"$work/out" 2>"$work/err"
}
version=$("$prefix/bin/ocelli" --version | sed -n 's/^ocelli //p')
project component static "$version" "$examples/classify.c" || fail "find_package has no static: $(cat "$work/err")"
quietly cmake --build "$work/component"
"$work/component/judge" >"$work/out" 2>&1
grep -q 'usage: classify' "$work/out" || fail "what is linked with ocelli::static does not run: $(cat "$work/out")"
project absent nothing "$version" "$examples/classify.c" && fail "find_package has a component 'nothing'"
grep -q 'no component nothing' "$work/err" || fail "find_package does not say that a component is absent"
for other in 0.0 0.2 1.0; do
    project other ocelli $other "$examples/classify.c" && fail "find_package takes $version for $other"
done
if [[ -f $library/libocelli_serve.a ]]; then
    cat >"$work/serve.c" <<'END'
#include <ocelli/serve.h>
#include <stdio.h>
int main(void) {
    oc_server *server = NULL;
    oc_error error = {0};
    oc_status status = oc_server_create(&server, &(oc_server_options){.runs = "/nothing"}, &error);
    printf("%s\n", error.where);
    return status == OC_E_NOT_FOUND ? 0 : 1;
}
END
    project serve serve "$version" "$work/serve.c" || fail "find_package has no serve: $(cat "$work/err")"
    quietly cmake --build "$work/serve"
    quietly "$work/serve/judge"
fi

# They train and classify: each way the same bits, and what the command says.
quietly "$ocelli" data demo "$work/data" --classes 3 --per-class 8
image=$work/data/val/images/val_0.JPEG
keys=(data.size=32 train.batch_size=8 train.epochs=1)
for way in pkg-config static find_package; do
    run=$work/run-$way
    quietly env LD_LIBRARY_PATH="$library" "$work/$way/train" "$work/data" myresnet-tiny "$run" "${keys[@]}"
    grep -qE '^top-1 [01]\.[0-9]{3} over 15 images' "$work/out" || fail "train ($way) says no top-1: $(cat "$work/out")"
    cmp "$work/run-pkg-config/last.safetensors" "$run/last.safetensors" || fail "the two runs ($way) differ"
    quietly env LD_LIBRARY_PATH="$library" "$work/$way/classify" "$run/last.safetensors" "$image"
    said=$(awk '{print $2}' "$work/out")
    quietly "$prefix/bin/ocelli" predict --weights "$run/last.safetensors" --top-k 1 --format csv "$image"
    grep -q "$said" "$work/out" || fail "the program ($way) says $said, the command: $(tail -1 "$work/out")"
done

# run STATUS PATTERN PROGRAM ARGUMENT...: a program's status, and what it says.
run() {
    local expected=$1 pattern=$2 program=$3 status=0
    shift 3
    LD_LIBRARY_PATH=$library "$work/pkg-config/$program" "$@" >"$work/out" 2>&1 || status=$?
    [[ $status -eq $expected ]] || fail "$program $*: exits $status, not $expected"
    grep -qE "$pattern" "$work/out" || fail "$program $*: does not say $pattern: $(cat "$work/out")"
}
run 1 "classify: $work/nothing: " classify "$work/nothing" "$image"
run 1 "classify: $work/nothing: cannot be read" classify "$work/run-static/last.safetensors" "$work/nothing" "$image"
grep -q '%$' "$work/out" || fail "classify gives up behind a file that cannot be read"
run 2 'train: train.epohcs=1: .*train.epochs' train "$work/data" myresnet-tiny "$work/none" train.epohcs=1
run 2 'train: MODEL: .*myresnet-tiny' train "$work/data" myresnet-tyni "$work/none"
run 1 "train: $work/nowhere: " train "$work/nowhere" myresnet-tiny "$work/none"
[[ ! -e $work/none ]] || fail "a call of train that is wrong makes a folder"

# Ctrl-C is heeded, and the same call goes on to the same bits. A shell's background jobs ignore the signal, a program
# that sets its own handler does not.
keys=(data.size=32 train.batch_size=8 train.epochs=60)
LD_LIBRARY_PATH=$library "$work/pkg-config/train" "$work/data" myresnet-tiny "$work/stopped" "${keys[@]}" \
    >"$work/out" 2>&1 &
job=$!
for ((i = 0; i < 600; i++)); do
    [[ $(wc -l 2>/dev/null <"$work/stopped/steps.csv") -gt 3 ]] && break
    sleep 0.1
done
kill -INT $job
status=0
wait $job || status=$?
[[ $status -eq 130 ]] || fail "train exits $status when it is interrupted: $(tail -3 "$work/out")"
run 0 '^top-1 ' train "$work/data" myresnet-tiny "$work/stopped" "${keys[@]}"
run 0 '^top-1 ' train "$work/data" myresnet-tiny "$work/whole" "${keys[@]}"
cmp "$work/stopped/last.safetensors" "$work/whole/last.safetensors" || fail "the run that was stopped ends otherwise"

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
# The public functions are there, and nothing else. Those of serve.h and fetch.h are in libraries of their own.
nm -D --defined-only "$library/libocelli.so" | awk '{print $3}' | sort >"$work/symbols"
find "$prefix/include/ocelli" -name '*.h' ! -name serve.h ! -name fetch.h -exec grep -hv '^#' {} + | tr '\n' ' ' |
    grep -oE 'OC_API [^;{]*\(' | sed -E 's/\(.*//; s/.*[ *]//' | sort >"$work/declared"
[[ $(wc -l <"$work/declared") -gt 60 ]] || fail "only $(wc -l <"$work/declared") functions are found in the headers"
diff "$work/declared" "$work/symbols" || fail "the shared library (>) does not export what the headers declare (<)"
finish
