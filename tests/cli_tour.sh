#!/bin/bash
# label: slow
# docs/tour.md, as somebody would who types every command of it into a terminal, in an empty folder: its blocks marked as
# sh are run, in their order. What it downloads, trained weights of timm's, is made here.
ocelli=$1
# shellcheck source=tests/support/shell.sh
. tests/support/shell.sh
tour=$PWD/docs/tour.md
case $ocelli in /*) ;; *) ocelli=$PWD/$ocelli ;; esac
export PATH=${ocelli%/*}:$PATH

# One command a line, continued lines joined.
commands=$(awk '/^```sh$/ { inside = 1; next } /^```/ { inside = 0 } inside' "$tour" | sed -e ':a' -e '/\\$/N; s/\\\n *//; ta')
[[ $(wc -l <<<"$commands") -ge 14 ]] || fail "docs/tour.md has not its commands"

mkdir "$work/empty" && cd "$work/empty" || exit 1
while read -r line; do
    if [[ $line == *resnet18.safetensors* ]]; then
        quietly ocelli train --data photos --set data.holdout=0.2 --model resnet18 --stem 7x7 --size 64 --max-steps 1 \
            --no-report --out "$work/timm"
        cp "$work/timm/last.safetensors" resnet18.safetensors
    fi
    quietly bash -c "$line"
    if [[ $line == *"--out first" ]]; then
        top1=$(sed -n 's/.*best top-1 on validation //p' "$work/out" "$work/err")
        # Five classes; what the tour promises, with room for other processors' rounding.
        holds "$top1 > 0.5" || fail "the first model has learnt little: top-1 ${top1:-missing}"
    fi
done <<<"$commands"
for file in first/report.html own/best.safetensors joined/best.safetensors report.html joined.onnx; do
    [[ -s $file ]] || fail "the tour has not made $file"
done
cd / || exit 1
finish
