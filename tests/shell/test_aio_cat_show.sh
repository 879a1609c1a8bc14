#!/bin/sh
# SPDX-License-Identifier: MIT
# aio-cat -A -b -e -E -n -s -t -T -v against cat: every set of these options on inputs drawn from a seed, byte for byte.
# $AIO_CAT is the tool. $AION_TEST_SEED (1) draws other inputs, $AION_TEST_SMALL=1 fewer.
set -u
tool=${AIO_CAT:?the path of aio-cat}
seed=${AION_TEST_SEED:-1}
input_nr=12
[ -z "${AION_TEST_SMALL:-}" ] || input_nr=4
unset POSIXLY_CORRECT
export LC_ALL=C

dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
trap 'exit 2' HUP INT TERM
run_nr=0
failed=0

# draw SEED: bytes of one of several kinds of text, up to 160 KB
draw()
{
	awk -v seed="$1" 'BEGIN {
		srand(seed)
		kind = int(rand() * 6)
		size = int(exp(rand() * (kind == 5 ? 12 : 8)))
		for (i = 0; i < size; i++) {
			if (kind == 0) c = rand() < .5 ? 10 : 13
			else if (kind == 1) c = rand() < .05 ? 10 : 32 + int(rand() * 95)
			else if (kind == 2) c = int(rand() * 256)
			else if (kind == 3) c = rand() < .6 ? 10 : rand() < .5 ? 9 : 97
			else if (kind == 4) c = rand() < .02 ? 13 : rand() < .02 ? 10 : rand() < .01 ? 255 : 98
			else c = rand() < .02 ? 10 : rand() < .002 ? 9 : rand() < .001 ? 200 : 97 + int(rand() * 26)
			printf "%c", c
		}
	}'
}

# same WHAT COMMAND…: the bytes of cat and of aio-cat, with "$cat" in place of either
same()
{
	what=$1
	run_nr=$((run_nr + 1))
	cat=cat
	eval "$2" >"$dir/expected" 2>&1
	cat=$tool
	eval "$2" >"$dir/got" 2>&1
	cmp -s "$dir/expected" "$dir/got" && return
	failed=$((failed + 1))
	echo "FAIL: $what: $2"
	cmp "$dir/expected" "$dir/got"
	cp "$dir/in" "$dir/failed.$failed"
}

sets=
for number in '' n b nb; do
	for squeeze in '' s; do
		for ends in '' E; do
			for tabs in '' T; do
				for visible in '' v; do
					sets="$sets -u$number$squeeze$ends$tabs$visible"
				done
			done
		done
	done
done

printf 'first\n\n\nunended\r' >"$dir/before"
printf '\nafter\n' >"$dir/after"
i=0
while [ $i -lt "$input_nr" ]; do
	i=$((i + 1))
	draw $((seed * 1000 + i)) >"$dir/in"
	for set in $sets; do
		case $((i % 4)) in
		0) same "seed $seed, input $i" '"$cat" $set "$dir/in"' ;;
		1) same "seed $seed, input $i, a pipe" '"$cat" <"$dir/in" | "$cat" $set "$dir/before" - "$dir/after"' ;;
		2) same "seed $seed, input $i, several files" '"$cat" $set "$dir/before" "$dir/in" "$dir/in" "$dir/before" "$dir/after"' ;;
		3) same "seed $seed, input $i, into a pipe" '"$cat" $set "$dir/in" "$dir/after" "$dir/in" | "$cat"' ;;
		esac
	done
done

seq 100100 >"$dir/in"
yes '' | head -n 1100000 >"$dir/empty_lines"
same 'six digits' '"$cat" -n "$dir/in"'
same 'seven digits' '"$cat" -n "$dir/empty_lines" | tail -n 200000'
same 'seven digits, no empty lines' '"$cat" -nE "$dir/empty_lines" "$dir/in" | cksum'
printf 'a\tb\r\n\001\n\n\n' >"$dir/in"
for set in -A -e -t -vet -A -n --show-all --number-nonblank --show-ends --number --squeeze-blank --show-tabs \
	--show-nonprinting '--number --squeeze' '--number-n --show-t'; do
	same 'names of options' '"$cat" $set "$dir/in" "$dir/before"'
done

[ "$failed" -ne 0 ] || echo "aio-cat: $run_nr runs as cat"
[ "$failed" -eq 0 ] || echo "aio-cat: $failed differences in $run_nr runs (seed $seed)"
[ "$failed" -eq 0 ]
