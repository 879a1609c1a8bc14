#!/bin/sh
# SPDX-License-Identifier: MIT
# expect_stop.sh FAULT COMMAND...: succeeds if COMMAND fails and names FAULT.
case $1 in
leak) reason='detected memory leaks|definitely lost: [1-9]' ;;
write) reason='heap-buffer-overflow|Invalid write' ;;
overflow) reason='signed integer overflow' ;;
esac
shift

if said=$("$@" 2>&1); then
	echo "the gate let the fault pass:"
elif echo "$said" | grep -qE "$reason" && echo "$said" | grep -q '^gate: .* finding'; then
	exit 0
else
	echo "the gate stopped it for another reason:"
fi
echo "$said"
exit 1
