#!/bin/bash
# label: slow
# scripts/matrix: in its cases every two values of two factors meet, no batch norm is given one value, a small model
# passes them all, and what fails is said.
ocelli=$1
# shellcheck source=tests/support/shell.sh
. tests/support/shell.sh
matrix=(scripts/matrix --ocelli "$ocelli")

# values COLUMN: of the table that was printed.
values() {
    grep '^| [a-z]*resn' "$work/out" | awk -F' *[|] *' -v c="$1" '{ print $c }' | sort -u
}

echo "-- the cases"
quietly "${matrix[@]}" --list --models myresnet-small
cp "$work/out" "$work/first"
quietly "${matrix[@]}" --list --models myresnet-small
cmp -s "$work/first" "$work/out" || fail "the cases are not the same again"
[[ $(values 3 | xargs) == "32 64 96" && $(values 4 | xargs) == "1 2 3 64" && $(values 5 | xargs) == "10 2 200" ]] ||
    fail "not all values: $(cat "$work/out")"
values 6 | grep '^baseline$' >/dev/null || fail "no level: $(cat "$work/out")"
for a in 3 4 5; do
    for ((b = a + 1; b <= 6; b++)); do
        met=$(grep '^| myres' "$work/out" | awk -F' *[|] *' -v a=$a -v b=$b '{ print $a, $b }' | sort -u | wc -l)
        [[ $met -eq $(($(values $a | wc -l) * $(values $b | wc -l))) ]] || fail "columns $a and $b meet in $met cases"
    done
done
quietly "${matrix[@]}" --list --models skresnet18,resnet26d
grep -qE '^\| skresnet18 \| [0-9]+ \| 1 \|' "$work/out" && fail "a batch of 1 for skresnet18"
grep -qE '^\| resnet26d \| 32 \| 1 \|' "$work/out" && fail "a batch of 1 for resnet26d at 32 pixels"
grep -qE '^\| resnet26d \| 64 \| 1 \|' "$work/out" || fail "no batch of 1 for resnet26d at 64 pixels"

echo "-- running them"
quietly "${matrix[@]}" --quick --models myresnet-tiny
grep -qE '^[1-9][0-9]* cases, 0 failed$' "$work/out" || fail "$(cat "$work/out")"
[[ $(values 3) == 32 ]] || fail "--quick takes more than one size"

echo "-- failures"
# A command whose evaluations fail, and whose plans say that something is slow.
cat >"$work/broken" <<END
#!/bin/bash
[[ \$1 == eval ]] && { echo "ocelli: weights: no | more" >&2; exit 1; }
"$ocelli" "\$@" || exit
for ((i = 1; i <= \$#; i++)); do
    [[ \${!i} == --out ]] && out=\$((i + 1)) && echo "conv9: slow: reference" >>"\${!out}/plan.txt"
done
exit 0
END
chmod +x "$work/broken"
status=0
scripts/matrix --ocelli "$work/broken" --quick --models myresnet-tiny >"$work/out" 2>"$work/err" || status=$?
[[ $status -eq 1 ]] || fail "failed cases give status $status"
grep -qE '^\| myresnet-tiny .* \*\*failed\*\* ' "$work/out" || fail "no failed row: $(cat "$work/out")"
grep -qF '| eval: weights: no \| more |' "$work/out" || fail "the error is not told: $(cat "$work/out")"
grep -qE '^\| conv9: slow: reference \| [0-9]+ \| myresnet-tiny 32 ' "$work/out" ||
    fail "what is slow is not told: $(cat "$work/out")"
status=0
"${matrix[@]}" --models myresnet-tin >"$work/out" 2>"$work/err" || status=$?
[[ $status -eq 2 ]] || fail "an unknown model gives status $status"
grep -q "no model is called 'myresnet-tin'" "$work/err" || fail "an unknown model: $(cat "$work/err")"
finish
