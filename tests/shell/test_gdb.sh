#!/bin/sh
# SPDX-License-Identifier: MIT
# The gdb script at $AION_GDB, on the program at $GDB_TASKS: alive, as a core of gdb's, as a core of the kernel's.
# No cores where $AION_SANITIZE is on: gdb would write terabytes of AddressSanitizer's shadow.
set -u

if ! command -v gdb >/dev/null || ! gdb -nx --batch -ex 'python print("python")' 2>&1 | grep -q '^python'; then
	echo 'skipped: no gdb with Python'
	exit 0
fi

dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 2
ulimit -f 2097152 # 1 GiB, should a core come out large
case_nr=0
failed=0

# ask NAME ARGUMENT...: runs gdb, with the commands of ./commands; leaves NAME
ask()
{
	out=$1
	shift
	{
		printf '%s\n' 'set confirm off' 'set pagination off' 'set width 0' 'set debuginfod enabled off' \
			'set startup-with-shell off' 'set print thread-events off' "source $AION_GDB"
		cat commands
	} >script
	# What one command says is no reason to leave the rest out.
	sed "s/.*/-ex\n&/" script >arguments
	ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 LC_ALL=C \
		timeout 300 xargs -d '\n' -a arguments sh -c 'exec gdb -nx --batch "$@" </dev/null' sh "$@" \
		>"$out" 2>"$out.err" ||
		echo "status of gdb: $?" >>"$out"
}

# part NAME FROM: the lines of NAME between "=== FROM" and the next "==="
part()
{
	awk -v from="$2" '/^===/ { on = $0 == "=== " from; next } on' "$1"
}

fail()
{
	failed=$((failed + 1))
	echo "FAIL: $1"
}

# holds NAME COMMAND...: COMMAND succeeds
holds()
{
	case_nr=$((case_nr + 1))
	name=$1
	shift
	"$@" >said 2>&1 || { fail "$name"; cat said; }
}

# row FILE STATE NAME WAITS_FOR: the table has this row, NAME and WAITS_FOR being patterns
row()
{
	holds "the table of $1 has: $2 $3 $4" grep -Eq "^ *[0-9]+ +0x[0-9a-f]+  $2 +$3( +$4)?\$" "$1"
	[ -z "$4" ] || holds "the table of $1 says what $3 waits for" grep -Eq " +$3 +$4\$" "$1"
}

# frames FILE TASK FUNCTION...: the backtrace of the task of this name has these functions, newest first
frames()
{
	traces=$1 task=$2
	shift 2
	awk -v task="$task" '/^Task / { on = $3 == task } on && /^#/' "$traces" >trace
	expected=$*
	found=$(sed -E 's/^#[0-9]+ +(0x[0-9a-f]+ in )?([a-zA-Z0-9_]+) .*/\2/' trace |
		awk -v names="$expected" 'BEGIN { nr = split(names, name); i = 1 }
			i <= nr && $0 == name[i] { i++ } END { print i - 1 "/" nr }')
	holds "the backtrace of $task has $expected: $found" [ "$found" = "$#/$#" ]
	holds "the backtrace of $task is counted from 0" grep -q '^#0 ' trace
	sed -E '/ (main|aion__task_entry) \(/q' trace >own
	holds "the backtrace of $task is known throughout" sh -c '! grep -F "?? ()" own'
}

# waiting FILE TRACES: what is to be seen where everything waits
waiting()
{
	row "$1" waiting '\(thread\)' 'its main task'
	row "$1" waiting '  main \[main_task\]' 'group 0x[0-9a-f]+ \(6 tasks\)'
	row "$1" waiting '    sleeper \[sleeps_long\]' 'timer \(in 3[0-9]{3}\.[0-9]{3} s\)'
	row "$1" waiting '    locked \[waits_for_lock\]' 'mutex 0x[0-9a-f]+'
	row "$1" waiting '    parent \[joins_child\]' 'group 0x[0-9a-f]+ \(1 tasks\)'
	row "$1" waiting '      child \[waits_for_sleeper\]' 'task 0x[0-9a-f]+ sleeper \[sleeps_long\]'
	row "$1" waiting '    several \[waits_for_several\]' '(several|2) futures'
	row "$1" waiting '    caller \[offloads\]' 'offloaded call of blocks'
	row "$1" waiting '    reader \[reads_pipe\]' 'READ on descriptor [0-9]+'
	holds "$1 counts the tasks" grep -q ' tasks: 8, operations in flight: 1, offloaded calls: 1, timers: 1$' "$1"

	frames "$2" '(thread)' aion_loop_run aion_run main
	frames "$2" main aion_group_leave everybody_waits main_task aion__task_entry
	frames "$2" sleeper sleeps_long aion__task_entry
	frames "$2" locked aion__waits_await waits_for_lock aion__task_entry
	frames "$2" parent aion_group_leave joins_child aion__task_entry
	frames "$2" child waits_for_sleeper aion__task_entry
	frames "$2" several waits_for_several aion__task_entry
	frames "$2" caller offloads aion__task_entry
	frames "$2" reader reads_deeply reads_deeply reads_deeply reads_deeply reads_pipe aion__task_entry
}

# finish: the outcome of all
finish()
{
	[ $failed -ne 0 ] || echo "gdb: $case_nr cases"
	[ $failed -eq 0 ] || { echo "gdb: $failed of $case_nr cases failed"; tail -50 live.err; }
	[ $failed -eq 0 ]
	exit
}

case ${AION_SANITIZE:-OFF} in
ON | on | 1 | TRUE | YES) cores=false core_command='info inferiors' ;;
*) cores=true core_command='aion core core.gdb' ;;
esac

# --- alive, and what gdb writes of it
cat >commands <<-END
	break everything_waits
	break something_runs
	run
	echo === before\n
	thread apply all -q info registers
	bt
	thread
	echo === tasks\n
	aion tasks
	echo === traces\n
	aion bt all
	echo === info\n
	aion info 9
	echo === short\n
	aion bt 9 1
	echo === none\n
	aion bt 1000
	echo === apply\n
	aion apply 9 frame function reads_pipe
	echo === core\n
	$core_command
	echo === after\n
	thread apply all -q info registers
	bt
	thread
	echo === on\n
	continue
	echo === running\n
	aion tasks
	echo === running traces\n
	aion bt all
	echo === full\n
	aion bt 3 full
	echo === end\n
	continue
END
ask live "$GDB_TASKS"
if grep -qi 'ptrace: \|cannot trace\|during startup program' live live.err && ! grep -q '^=== on' live; then
	echo 'skipped: gdb may not trace here'
	exit 0
fi
part live tasks >live.tasks
part live traces >live.traces
waiting live.tasks live.traces
part live before >before
part live after >after
holds 'registers, frame and thread are as before' cmp before after
holds 'the registers have been seen' grep -q '^rip\|^pc' before
part live info >info
holds 'a task told in full' grep -q '^in flight: *READ on descriptor [0-9]* (op 0x' info
holds 'its function' grep -q '^function: *reads_pipe(0x0)' info
holds 'its stack' grep -q '^stack: .* in use: [0-9]* of [0-9]* bytes' info
part live full >full
for value in 'one = 1001' 'two = 1002' 'three = 1003' 'four = 1004' 'five = 1005'; do
	holds "the variable $value of a suspended task" grep -q "^ *$value\$" full
done
part live short >short
holds 'a backtrace of one frame' [ "$(grep -c '^#' short)" -eq 1 ]
holds 'a command inside a task' sh -c 'sed -n "/^=== apply/,/^=== core/p" live | grep -q "^#.* reads_pipe "'
holds 'a task that is not there' grep -q '^no task 1000' live.err

part live running >live.running
part live 'running traces' >live.running.traces
row live.running waiting '\(thread\)' 'its main task'
row live.running running '  main \[main_task\]' ''
row live.running ready '    \[yields\]' ''
row live.running new '    beginner \[begins\]' ''
frames live.running.traces main something_runs somebody_runs main_task aion__task_entry
frames live.running.traces '[yields]' yields aion__task_entry
part live end >end
holds 'all tasks have gone on' grep -q '^13 functions went on' live
holds 'the process has ended well' grep -q 'exited normally' end

if ! $cores; then
	echo 'skipped: cores (of a build with sanitizers)'
	finish
fi

# --- the core says what has been seen alive
cat >commands <<-'END'
	echo === tasks\n
	aion tasks
	echo === traces\n
	aion bt all
	echo === end\n
END
ask core "$GDB_TASKS" core.gdb
for what in tasks traces; do
	# gdb numbers the threads of a core anew.
	part core $what | sed 's/ thread [0-9]* / thread /' >core.$what
	sed 's/ thread [0-9]* / thread /' live.$what >live.same
	holds "the $what of a core are those of the process" diff live.same core.$what
done

# --- a core of the kernel's
mkdir kernel
(cd kernel && ulimit -c unlimited && exec "$GDB_TASKS" abort) >said 2>&1
set -- kernel/core*
if [ -f "$1" ]; then
	ask kernel.out "$GDB_TASKS" "$1"
	part kernel.out tasks >kernel.tasks
	part kernel.out traces >kernel.traces
	waiting kernel.tasks kernel.traces
else
	echo 'skipped: a core of the kernel (it writes none, or elsewhere)'
fi

finish
