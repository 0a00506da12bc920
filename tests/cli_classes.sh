#!/bin/bash
# The classes of a weights file, not those of a folder or their order, decide what predict prints.
ocelli=$1
# shellcheck source=tests/support/shell.sh
. tests/support/shell.sh
data=$work/data run=$work/run

quietly "$ocelli" data demo "$data" --classes 3 --per-class 8 --seed 3
quietly "$ocelli" train --data "$data" --model myresnet-tiny --size 32 --batch-size 8 --epochs 1 --max-steps 2 \
    --out "$run"
# The same weights with the first and the last class exchanged; a file that is nobody's, so without a checksum.
LC_ALL=C sed -e 's/n90000001/n9000000x/; s/n90000003/n90000001/; s/n9000000x/n90000003/' \
    -e 's/"format":"ocelli"/"format":"others"/; s/"xxh3"/"none"/' "$run/last.safetensors" >"$work/exchanged.safetensors"
cmp -s "$run/last.safetensors" "$work/exchanged.safetensors" && fail "the classes were not exchanged"

images=("$data"/val/images/*)
predict=("$ocelli" predict --data "$data" --format csv --top-k 3)
quietly "${predict[@]}" --weights "$run/last.safetensors" "${images[@]:0:4}"
# Without the class's name in words, in between.
awk -F, -v OFS=, '$3 == "n90000001" {$3 = "x"} $3 == "n90000003" {$3 = "n90000001"} $3 == "x" {$3 = "n90000003"}
    {print $1, $2, $3, $NF}' "$work/out" >"$work/expected"
quietly "${predict[@]}" --weights "$work/exchanged.safetensors" "${images[@]:0:4}"
awk -F, -v OFS=, '{print $1, $2, $3, $NF}' "$work/out" >"$work/got"
[[ $(wc -l <"$work/got") -eq 13 ]] || fail "predict does not print a header and 12 rows"
diff "$work/expected" "$work/got" || fail "predict does not print the classes of the weights file"
finish
