#!/bin/bash
# Each public header compiles alone and twice over, as C11, C17 and C++, without a warning, with every compiler that is
# here. The C++ part is left out, and says so, where there is no C++ compiler.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

c_compilers=() cxx_compilers=()
for compiler in "${CC:-cc}" clang; do
    if command -v "$compiler" >/dev/null; then c_compilers+=("$compiler"); fi
done
for compiler in "${CXX:-c++}" clang++; do
    if command -v "$compiler" >/dev/null; then cxx_compilers+=("$compiler"); fi
done
[[ ${#c_compilers[@]} -gt 0 ]] || { echo "headers: no C compiler"; exit 1; }

# alone INCLUDE-FOLDER HEADER COMPILER STANDARD
alone() {
    local language=c
    [[ $4 != c++* ]] || language=c++
    # What holds nothing but macros declares nothing, which C wants of every source.
    printf '#include <ocelli/%s>\n#include <ocelli/%s>\ntypedef int oc_nothing;\n' "$2" "$2" >"$work/program"
    "$3" -x "$language" -std="$4" -Wall -Wextra -Wpedantic -Werror -I "$1" -fsyntax-only "$work/program" 2>"$work/said"
}

count=0 failures=0
mapfile -t headers < <(cd "$root/include/ocelli" && printf '%s\n' *.h)
check() {
    local compiler=$1 standard=$2 header
    for header in "${headers[@]}"; do
        count=$((count + 1))
        alone "$root/include" "$header" "$compiler" "$standard" || {
            echo "include/ocelli/$header does not compile alone with ${compiler##*/} -std=$standard:"
            head -20 "$work/said"
            failures=$((failures + 1))
        }
    done
    # It would say so of one that lacks an include.
    if alone "$work/include" lacking.h "$compiler" "$standard" || ! grep -q size_t "$work/said"; then
        echo "${compiler##*/} -std=$standard takes a header that does not say where size_t comes from"
        failures=$((failures + 1))
    fi
}
mkdir -p "$work/include/ocelli"
echo 'size_t oc_lacking(void);' >"$work/include/ocelli/lacking.h"

for compiler in "${c_compilers[@]}"; do
    for standard in c11 c17; do check "$compiler" "$standard"; done
done
for compiler in "${cxx_compilers[@]}"; do
    for standard in c++11 c++17; do check "$compiler" "$standard"; done
done
[[ ${#cxx_compilers[@]} -gt 0 ]] || echo "headers: no C++ compiler, so not tried as C++"

[[ $failures -eq 0 ]] && echo "headers: ${#headers[@]} headers, $count compilations, no objection"
