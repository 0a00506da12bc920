#!/bin/bash
# scripts/abi lets pass what programs do not notice and finds what breaks them, in variants of a small library.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
command -v abidw >/dev/null || { echo "skipped: abidw is not installed (abigail-tools)"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export OC_ABI_LIBRARY=$work/libthing.so OC_ABI_HEADERS=include OC_ABI_RECORDS=$work/records
mkdir "$work/include"
failures=0

# try STATUS PATTERN SONAME HEADER SOURCE [FLAG]: what scripts/abi says of such a library.
try() {
    local expected=$1 pattern=$2 soname=$3 status=0 said
    printf '%s\n' "$4" >"$work/include/thing.h"
    printf '#include "thing.h"\n%s\n' "$5" >"$work/thing.c"
    "${CC:-cc}" -g -shared -fPIC -I "$work/include" "$work/thing.c" -Wl,-soname,"$soname" -o "$OC_ABI_LIBRARY"
    said=$("$root/scripts/abi" ${6:+"$6"} 2>&1) || status=$?
    if [[ $status -ne $expected || ! $said =~ $pattern ]]; then
        echo "abi: $4 ($soname): status $status, not $expected, or not '$pattern': $said"
        failures=$((failures + 1))
    fi
}
declare='typedef struct thing { int a; } thing; int thing_get(const thing *t);'
define='int thing_get(const thing *t) { return t->a; }'
try 0 'no release has libthing.so.1 yet' libthing.so.1 "$declare" "$define"
try 0 'written' libthing.so.1 "$declare" "$define" --record
try 1 'is there' libthing.so.1 "$declare" "$define" --record
try 0 'as it was released' libthing.so.1 "$declare" "$define"
# What a struct of the library's own holds is not seen by programs.
declare='typedef struct thing { int a; } thing; struct own; int thing_get(const thing *t, const struct own *own);'
define='struct own { int b; }; int thing_get(const thing *t, const struct own *own) { return own->b + t->a; }'
try 0 'written' libthing.so.3 "$declare" "$define" --record
try 0 'as it was released' libthing.so.3 "$declare" "${define/int b;/long c, b;}"
declare='typedef struct thing { int a; } thing; int thing_get(const thing *t);'
define='int thing_get(const thing *t) { return t->a; }'
try 0 'with more functions' libthing.so.1 "$declare int thing_new(int x);" "$define int thing_new(int x) { return x; }"
breaks='programs that were linked with libthing.so.1 break'
try 1 "$breaks" libthing.so.1 "${declare/thing_get/thing_take}" "${define/thing_get/thing_take}"
try 1 "$breaks" libthing.so.1 "${declare/int a;/int a, b;}" "$define"
try 1 "$breaks" libthing.so.1 "${declare/int a;/long a;}" "$define"
try 1 "$breaks" libthing.so.1 "${declare/\*t/*t, int x}" "${define/\*t/*t, int x}"
try 0 'no release has libthing.so.2 yet' libthing.so.2 "${declare/thing_get/thing_take}" "${define/thing_get/thing_take}"
[[ $failures -eq 0 ]] && echo "abi: as expected"
