#!/bin/sh
# SPDX-License-Identifier: MIT
# run_gated.sh plain|sanitizer|valgrind COMMAND [ARGUMENT...]
#
# Runs COMMAND and fails if it fails or if the sanitizers or valgrind found anything in any of its
# processes. Criterion runs each test in a child and loses a child's findings, so they go to log files,
# and the logs are read here; gcc's UBSan ignores log_path beside ASan, so the output is read too.
# Valgrind starts a quarter faster if it need not know what has been inlined; shells are not followed.
# A script's tool ($AIO_CAT) is run under valgrind, the script is not.
set -u
mode=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
logs=$(mktemp -d) || exit 2
trap 'rm -rf "$logs"' EXIT
trap 'exit 2' HUP INT TERM

case $mode in
sanitizer)
	common=log_path=$logs/log:print_stacktrace=1
	ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}$common:detect_leaks=1:detect_stack_use_after_return=1
	UBSAN_OPTIONS=${UBSAN_OPTIONS:+$UBSAN_OPTIONS:}$common
	export ASAN_OPTIONS UBSAN_OPTIONS
	;;
valgrind)
	valgrind="valgrind --trace-children=yes --log-file=$logs/log.%p --error-exitcode=99 --leak-check=full
		--show-leak-kinds=definite --errors-for-leak-kinds=definite --num-callers=30 --fair-sched=yes
		--read-inline-info=no --trace-children-skip=*/sh"
	if [ -f "$here/valgrind.supp" ]; then
		valgrind="$valgrind --suppressions=$here/valgrind.supp"
	fi
	if [ -n "${AIO_CAT:-}" ]; then
		printf '#!/bin/sh\nexec %s "%s" "$@"\n' "$(echo $valgrind)" "$AIO_CAT" >"$logs/aio-cat"
		chmod +x "$logs/aio-cat"
		AIO_CAT=$logs/aio-cat
	else
		set -- $valgrind "$@"
	fi
	;;
esac

findings=0
if [ "$mode" = sanitizer ]; then
	{ "$@" 2>&1; echo $? >"$logs/status"; } | tee "$logs/output"
	status=$(cat "$logs/status")
	! grep -qE 'runtime error: |(Address|Leak)Sanitizer' "$logs/output" || findings=1
else
	"$@"
	status=$?
fi
for log in "$logs"/log.*; do
	[ -s "$log" ] || continue
	if [ "$mode" = sanitizer ] ||
	   grep -qE 'ERROR SUMMARY: [1-9]|definitely lost: [1-9]|impossible.* happened' "$log"; then
		findings=$((findings + 1))
		cat "$log"
	fi
done
if [ "$mode" = valgrind ] && ! grep -qs 'ERROR SUMMARY' "$logs"/log.*; then
	echo "gate: no log of valgrind"
	exit 1
fi
if [ "$findings" -ne 0 ]; then
	echo "gate: $findings finding(s)"
	exit 1
fi
exit "$status"
