#!/bin/sh
# SPDX-License-Identifier: MIT
# The library's notes name the probes of lib/base/probe_int.h, each with its number of arguments. The library is at
# $AION_LIBRARY; $AION_PROBES is whether it has been built with them.
set -u

case ${AION_PROBES:-OFF} in
ON | on | 1 | TRUE | YES) ;;
*)
	echo 'skipped: built without probes (no <sys/sdt.h>)'
	exit 0
	;;
esac
if ! command -v readelf >/dev/null; then
	echo 'skipped: no readelf'
	exit 0
fi

dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
failed=0

# name, number of arguments
sort >"$dir/expected" <<-END
	cancel 3
	cancel_scope 2
	cancel_task 1
	complete 2
	spawn 3
	submit 3
	switch 2
END

# An argument is SIZE@OPERAND, and an operand has no blank. A probe stands where the compiler has put its function in
# line, too, each time with a note of its own.
LC_ALL=C readelf -n "$AION_LIBRARY" >"$dir/notes" || exit 2
awk '$1 == "Provider:" { ours = $2 == "aion" } $1 == "Name:" { name = $2 }
	$1 == "Arguments:" && ours { print name, NF - 1 }' "$dir/notes" | sort -u >"$dir/found"
if ! diff "$dir/expected" "$dir/found"; then
	echo 'FAIL: the probes are not those expected (<), but (>)'
	failed=1
fi

# What a tracer of the hot path must not miss: plain completions are taken in line, and others by a function.
while read -r name least; do
	nr=$(awk -v name="$name" '$1 == "Provider:" { ours = $2 == "aion" }
		$1 == "Name:" && ours && $2 == name { nr++ } END { print nr + 0 }' "$dir/notes")
	if [ "$nr" -lt "$least" ]; then
		echo "FAIL: $name stands in $nr places, expected at least $least"
		failed=1
	fi
done <<-END
	spawn 4
	switch 5
	submit 10
	complete 2
END

[ $failed -ne 0 ] || echo "probes: $(wc -l <"$dir/found") of them, as expected"
exit $failed
