#!/bin/sh
# SPDX-License-Identifier: MIT
# aio-cat against cat: the same bytes, the same exit status, the same messages but for the program's name.
# $AIO_CAT is the tool. A case is a line of shell in which "$cat" is the one or the other; each run begins in a fresh
# directory with the same odd files. AION_TEST_SMALL=1 takes fewer of the many small files.
set -u
tool=${AIO_CAT:?the path of aio-cat}
case $tool in
*/*) tool=$(cd "$(dirname "$tool")" && pwd)/$(basename "$tool") ;;
esac
if ! command -v "$tool" >/dev/null; then
	echo "$tool cannot be run"
	exit 2
fi
many=10000
[ -z "${AION_TEST_SMALL:-}" ] || many=1000
# valgrind opens /dev/null where descriptors are closed
closed_stays=true
case $(head -c 300 "$tool" | tr -d '\0') in
'#!'*valgrind*)
	closed_stays=false
	echo 'skipped: closed descriptors (valgrind)'
	;;
esac
export LC_ALL=C.UTF-8
unset POSIXLY_CORRECT

top=$(mktemp -d) || exit 2
trap 'chmod -R u+rwx "$top"; rm -rf "$top"' EXIT
trap 'exit 2' HUP INT TERM
chmod 755 "$top"
case_nr=0
failed=0

# make_files: the odd files, in the current directory. What is large is linked from $top/shared: no case changes it.
make_files()
{
	: >empty
	printf x >one
	printf 'no newline' >unended
	printf 'zero \0 byte\nand \377\n' >binary
	printf 'a\n' >a
	printf 'b\n' >b
	echo spaced >'two words'
	echo newline >'new
line'
	echo dash >-dash
	echo quote >"it's"
	mkdir dir
	mkfifo fifo
	ln -s a link
	ln -s nowhere dangling
	ln -s loop loop
	ln "$top"/shared/* .
}

make_shared()
{
	mkdir shared small
	head -c 5242880 /dev/urandom >shared/big
	for size in 4095 4096 4097 65535 65536 65537 131072 262143 262144 262145 327679 327680 327681 1114112; do
		head -c $size shared/big >shared/size$size
	done
	truncate -s 3000000 shared/sparse
	printf end >>shared/sparse
	(cd small && seq -f %05.0f 1 "$many" | awk '{ print "file", $1, substr("abcdefghijklmnop", 1, $1 % 17) > $1; close($1) }')
}

# run PROGRAM SNIPPET: leaves out, err, status
run()
{
	rm -rf work
	mkdir work
	cd work && make_files
	cat=$1 top=$top timeout 120 sh -c "$2" >../out 2>../err </dev/null
	echo $? >../status
	cd ..
	sed 's/^aio-cat: /cat: /; s/aio-cat --help/cat --help/' err >err.named
}

# same NAME SNIPPET
same()
{
	case_nr=$((case_nr + 1))
	run cat "$2"
	for part in out err.named status; do
		mv $part expected.$part
	done
	run "$tool" "$2"
	for part in out err.named status; do
		if ! cmp -s expected.$part $part; then
			echo "FAIL: $1: $part differs from cat's ($2)"
			if [ $part != out ]; then
				diff expected.$part $part
			fi
			failed=$((failed + 1))
		fi
	done
}

# holds NAME SNIPPET: of aio-cat alone, SNIPPET must succeed
holds()
{
	case_nr=$((case_nr + 1))
	run "$tool" "$2"
	if [ "$(cat status)" -ne 0 ]; then
		echo "FAIL: $1 ($2)"
		cat err
		failed=$((failed + 1))
	fi
}

cd "$top" || exit 2
make_shared
cat small/* >expected.small

# --- files of every kind
for file in empty one unended binary a 'two words' 'new
line' ./-dash "it's" link big sparse shared; do
	[ "$file" = shared ] || same "the file $file" "\"\$cat\" \"$file\""
done
for size in shared/size*; do
	same "a file of ${size#shared/size} bytes" "\"\$cat\" ${size#shared/}"
	same "two files of ${size#shared/size} bytes, into a pipe" "\"\$cat\" ${size#shared/} one ${size#shared/} | cksum"
done
same 'everything in one call' '"$cat" empty one unended binary a size* empty big "two words" sparse ./-dash "it'"'"'s" b'
same 'the same file many times' '"$cat" a a big a a big a'
same 'into a pipe' '"$cat" a big one size* sparse b | cat'
same 'into a file' '"$cat" a big one size* sparse b >result; cat result'
same 'appended to a file' 'echo begin >result; "$cat" a big one size* >>result; cat result'
same 'many small files' '"$cat" "$top"/small/*'
same 'many small files into a pipe' '"$cat" "$top"/small/* | cat'
same 'many small files into a file' '"$cat" "$top"/small/* >result; cksum <result'
# --- among many small files, half of which the helper reads
few='"$top"/small/00[0-5]*' many_more='"$top"/small/0*'
same 'many, numbered' '"$cat" -n "$top"/small/* | cksum'
same 'many, and files of every size' '"$cat" '"$few"' size* '"$few"' big empty '"$many_more"' sparse '"$few"' | cksum'
same 'many, and what cannot be read' '"$cat" '"$few"' m1 '"$many_more"' shared/. m2 '"$many_more"
same 'many, and standard input' 'echo in | "$cat" '"$few"' - '"$many_more"' - '"$few"
same 'many, and a FIFO' '{ sleep 0.1; echo fed; } >fifo & "$cat" '"$few"' fifo '"$many_more"
same 'many, and two FIFOs from one writer' 'mkfifo f2
	{ exec 3>fifo; echo x >&3; exec 3>&-; exec 3>f2; echo y >&3; } & "$cat" '"$few"' fifo '"$few"' f2 '"$many_more"
same 'many, and two FIFOs that are close' 'mkfifo f2
	{ exec 3>fifo; echo x >&3; exec 3>&-; exec 3>f2; echo y >&3; } & "$cat" '"$few"' fifo a b f2 '"$many_more"
# The helper begins with the 257th operand, which is read ahead while the pipe is full of "big".
first='"$top"/small/000* "$top"/small/001* "$top"/small/002[0-4]* a a a a a big a'
hundred='"$top"/small/000* "$top"/small/0010*'
late='| { sleep 0.3; cksum; }'
same 'many, and a FIFO is not opened early' 'echo fed >fifo & "$cat" '"$first"' b fifo '"$many_more $late"
same 'many, and a FIFO behind one is not opened early' 'mkfifo f2; echo x >fifo & echo y >f2 &
	"$cat" '"$first"' b fifo '"$hundred"' f2 '"$many_more $late"
same 'many, and a FIFO behind what is too large for the helper is not forgotten' 'echo fed >fifo &
	"$cat" '"$first"' "$top"/small/000[1-9]* size1114112 '"$hundred"' fifo '"$many_more $late"
same 'many, and a FIFO behind what is missing is not forgotten' 'echo fed >fifo &
	"$cat" '"$first"' "$top"/small/000[1-9]* m1 '"$hundred"' fifo '"$many_more $late"
same 'many, and the writer of a FIFO changes the next operand' '{ sleep 0.2; echo changed >b; echo fed; } >fifo &
	"$cat" '"$few"' fifo b '"$many_more"
same 'many, and few descriptors' 'ulimit -n 16; "$cat" '"$few"' a '"$many_more"
same 'many, and a reader who leaves' '{ "$cat" '"$few $many_more"' '"$few $many_more"'; echo $? >&2; } | head -c 1000'
same 'large and small mixed' 'for i in 1 2 3 4 5 6 7 8; do set -- "$@" big one empty size65536 size65537; done; "$cat" "$@" | cksum'
same 'few descriptors' 'ulimit -n 24; for i in 1 2 3 4 5 6 7 8; do set -- "$@" size65537 one; done; "$cat" "$@" | cksum'
same 'files of /proc' '"$cat" /proc/version /proc/filesystems /proc/self/limits a'
same 'files of /proc into a pipe' '"$cat" /proc/version a /proc/filesystems | cat'
[ ! -r /proc/kallsyms ] || same 'a large file of /proc' '"$cat" /proc/kallsyms | cksum'
[ ! -r /sys/kernel/mm/transparent_hugepage/enabled ] ||
	same 'a file of /sys' '"$cat" /sys/kernel/mm/transparent_hugepage/enabled a'
same '/dev/null' '"$cat" a /dev/null b'
same 'an endless device' '"$cat" a /dev/zero | head -c 3000000 | cksum'
if [ -d /dev/shm ] && [ -w /dev/shm ]; then
	shm=$(mktemp -d /dev/shm/aio_cat.XXXXXX)
	cp shared/big "$shm" && cp shared/size65536 "$shm" && echo small >"$shm/small"
	export shm
	same 'files in memory' '"$cat" "$shm"/* "$shm"/small'
	same 'files in memory into a pipe' '"$cat" "$shm"/* | cat'
	rm -rf "$shm"
fi

# --- standard input
same 'no operand' 'echo in | "$cat"'
same 'standard input from a pipe' '{ echo in; sleep 0.1; echo more; } | "$cat" a - b'
same 'standard input from a file' '"$cat" a - b <big'
same 'standard input twice' '"$cat" - a - <b'
same 'standard input twice, a pipe' 'echo in | "$cat" - a -'
same 'standard input from its position on' '{ dd bs=10 count=1 2>dd; "$cat" a -; } <big | cksum'
same 'standard input is left at its end' '{ "$cat" -; "$cat" - b; wc -c; } <big | cksum'
same 'standard input is a directory' '"$cat" a - b <dir'
! $closed_stays || same 'standard input closed' '"$cat" a - b <&-'
same 'standard input closed, not used' '"$cat" a b <&-'
same 'standard input not readable' '"$cat" a - b 0>scratch'
same '/dev/stdin, a pipe' 'echo in | "$cat" a /dev/stdin b'
same '/dev/stdin, a file' '"$cat" a /dev/stdin b <big | cksum'
same '/dev/fd' '"$cat" /dev/fd/3 a 3<b'

# --- FIFOs
same 'a FIFO' '{ printf one; sleep 0.1; printf two; } >fifo & "$cat" a fifo b'
same 'a FIFO of much' 'cat big >fifo & "$cat" a fifo b | cksum'
same 'a FIFO whose writer comes late' '{ sleep 0.3; echo late >fifo; } & "$cat" a fifo b'
same 'a FIFO twice' '{ echo first >fifo; sleep 0.3; echo second >fifo; } & "$cat" fifo a fifo'
same 'two FIFOs, fed in order' 'mkfifo f2; { echo first >fifo; echo second >f2; } & "$cat" fifo f2'
same 'two FIFOs from one writer' 'mkfifo f2; { exec 3>fifo; echo x >&3; exec 3>&-; exec 3>f2; echo y >&3; } & "$cat" fifo f2'
same 'the writer of a FIFO makes the next operand' '{ sleep 0.2; echo made >made; echo fed; } >fifo & "$cat" fifo made'
same 'the writer of a FIFO changes the next operand' '{ sleep 0.2; echo changed >b; echo fed; } >fifo & "$cat" a fifo b'
same 'the writer of standard input makes the next operand' '{ sleep 0.2; echo made >made; echo fed; } | "$cat" - made'

# --- paths through a link of /proc are never cached, so what they lead to is not known beforehand
here=/proc/self/cwd
if [ -r $here/. ]; then
	export here
	same 'uncached paths' '"$cat" $here/a $here/big $here/missing a $here/dir $here/size65536 $here/empty b $here/link'
	same 'many uncached paths' 'cd "$top/small"; set -- 0[01]*; for i in "$@"; do set -- "$@" $here/$i; shift; done; "$cat" "$@"'
	same 'an uncached FIFO twice' '{ echo first >fifo; sleep 0.3; echo second >fifo; } & "$cat" $here/fifo a $here/fifo'
	same 'uncached FIFOs' 'mkfifo f2; { echo first >fifo; echo second >f2; } & "$cat" a $here/fifo $here/b $here/f2 b'
	same 'the writer of an uncached FIFO makes the next operand' '{ sleep 0.2; echo made >made; echo fed; } >fifo &
		"$cat" $here/fifo $here/made made'
	same 'the writer of an uncached FIFO changes the next operand' '{ sleep 0.2; echo changed >b; echo fed; } >fifo &
		"$cat" a $here/fifo $here/b b'
	same 'a FIFO behind an uncached one is not opened early' 'mkfifo f2; echo second >f2 & { sleep 0.2; echo first >fifo; } &
		"$cat" a $here/fifo f2'
	same 'uncached paths and few descriptors' 'ulimit -n 16; for i in $(seq 100); do
		set -- "$@" $here/size65537 $here/size131072; done; "$cat" "$@" | cksum'
	same 'an uncached path to the output' 'echo x >f; "$cat" $here/a $here/f b $here/f >>f; cat f'
fi
forget='for f in big size* sparse; do dd if=$f iflag=nocache count=0 2>dd; done'
same 'files that are not in the page cache' "$forget; \"\$cat\" a big b size* sparse"
same 'files that are not in the page cache, into a pipe' "$forget; \"\$cat\" a big b size* sparse | cksum"

# --- files that change
same 'a file that grows' 'cp big f; "$cat" f | { dd bs=1k count=1 2>dd; echo tail >>f; cat; } | cksum'
same 'a file that shrinks' 'cp big f; "$cat" f a | { dd bs=1k count=1 2>dd; truncate -s 4194304 f; cat; } | cksum'
same 'a file that is removed' 'cp big f; "$cat" f a | { dd bs=1k count=1 2>dd; rm f; cat; } | cksum'

# --- what cannot be read
same 'a missing file' '"$cat" a missing b'
same 'many missing files' '"$cat" m1 a m2 m3 b m4'
same 'a directory' '"$cat" a dir b'
same 'a path through a file' '"$cat" a/x b'
same 'a dangling link' '"$cat" a dangling b'
same 'a loop of links' '"$cat" a loop b'
same 'an empty name' '"$cat" a "" b'
same 'messages stand between the bytes' '"$cat" a missing big b dir size65536 missing one 2>&1 | LC_ALL=C sed "s/aio-cat: /cat: /g" | cksum'
same 'messages stand between the bytes, in a file' '"$cat" a missing missing b dir b missing one >f 2>&1; sed "s/aio-cat: /cat: /g" f'
same 'names in messages' '"$cat" "m m" "m'"'"'m" "m:" "#m" "m#" "~" "m~" "{" "}" "{}" "m=" "m!" "m\$" "m\\" "m[" "m]" "m^" "m,m"'
same 'names in messages, further' '"$cat" "$(printf "m\tm\nm\001m\177")" "$(printf "\303\244")" "$(printf "\377m")" "it'"'"'s \$m" "m'"'"' #" "'"'"'"'
same 'names in messages, C locale' 'LC_ALL=C; export LC_ALL; "$cat" "$(printf "\303\244")" "$(printf "m\303\244m")" "it'"'"'s"'
if [ "$(id -u)" -ne 0 ]; then
	same 'an unreadable file' 'chmod 0 a; "$cat" b a b'
elif nobody='setpriv --reuid=65534 --regid=65534 --clear-groups'; $nobody "$tool" --version >out 2>err; then
	export nobody
	same 'an unreadable file' 'chmod 0 a; chmod 755 .; $nobody "$cat" b a b'
else
	echo 'skipped: an unreadable file (root reads everything, and nobody else can run the tool)'
fi

# --- input is output
same 'appending a file to itself' 'echo x >f; "$cat" f >>f; cat f'
same 'a file onto itself' 'echo x >f; "$cat" f >f; wc -c <f'
same 'a link of the output' 'echo x >f; ln f g; ln -s f h; "$cat" a g b h >>f; cat f'
same 'the output after another file' 'echo x >f; "$cat" a f b >f; cat f'
same 'the output twice' 'echo x >f; "$cat" a f b f >>f; cat f'
same 'the output is empty' ': >f; "$cat" f a >>f; cat f'
same 'a large output' 'cp big f; "$cat" a f >>f; cksum <f'
same 'standard input is the output' 'echo x >f; "$cat" <f >>f; cat f'
same 'standard input is the output, at its end' 'echo x >f; { cat >rest; "$cat" - a; } <f >>f; cat f'
same 'standard input is the output, not appending' 'echo 12345 >f; "$cat" a - <f 1<>f; cat f'

# --- what cannot be written
same 'a full disk' '"$cat" a b >/dev/full'
same 'a full disk, a large file' '"$cat" big b >/dev/full'
same 'a full disk, standard input' 'echo in | "$cat" >/dev/full'
same 'a full disk, after a missing file' '"$cat" missing a missing b >/dev/full'
same 'a full disk, nothing to write' '"$cat" empty >/dev/full'
same 'a file size limit' 'ulimit -f 1; trap "" XFSZ; "$cat" a big b >>f; echo $?; wc -c <f'
! $closed_stays || same 'standard output closed' '"$cat" a >&-'
! $closed_stays || same 'standard output closed, no input' '"$cat" empty >&-'
! $closed_stays || same 'standard output closed, the help' '"$cat" --help >&-'
same 'standard error closed' '"$cat" missing a 2>&-'
same 'standard output not writable' '"$cat" a 1<b'
status_of='3>../pipe_status | head -c 1 >/dev/null; sleep 0.1; cat ../pipe_status'
same 'a closed pipe' "{ \"\$cat\" big; echo \$? >&3; } $status_of"
same 'a closed pipe, small files' "{ \"\$cat\" \"\$top\"/small/* \"\$top\"/small/* /dev/zero; echo \$? >&3; } $status_of"
same 'a closed pipe, endless input' "{ \"\$cat\" /dev/zero; echo \$? >&3; } $status_of"
same 'a closed pipe, a pipe before it' "cat big big | { \"\$cat\"; echo \$? >&3; } $status_of"
same 'a closed pipe, signal ignored' "trap '' PIPE; { \"\$cat\" big; echo \$? >&3; } $status_of"
same 'help into a full disk' '"$cat" --help >/dev/full'
same 'version into a full disk' '"$cat" --version >/dev/full'

# --- terminals
if command -v script >/dev/null && script -qec true /dev/null </dev/null >out 2>&1; then
	same 'a terminal for output' 'script -qec "\"\$cat\" a big | cksum; \"\$cat\" a size4096 binary" /dev/null </dev/null'
	same 'a terminal for input' '{ sleep 0.5; printf "typed\n"; sleep 0.2; printf "\004"; sleep 0.5; } |
		script -qec "stty -echo; \"\$cat\" a - b" /dev/null'
else
	echo 'skipped: terminals (no script(1))'
fi

# --- options
same 'options end' '"$cat" -- -dash a'
same 'an option after operands' '"$cat" a -u b'
same 'an unknown option' '"$cat" -x a'
same 'an unknown long option' '"$cat" a --foo'
holds 'help' '"$cat" --help | grep -q "^Usage: aio-cat"'
holds 'version' '"$cat" --version | grep -q "^aio-cat .*[0-9]\.[0-9]"'
holds 'stats count the bytes and the files' '"$cat" --stats a big b 2>stats | cksum >sum; cat a big b | cksum | cmp - sum &&
	grep -q "5242884 bytes, 3 files" stats && grep -q "operations per entry" stats'
holds 'stats of small files' '"$cat" --stats "$top"/small/* 2>stats | cmp - "$top/expected.small" &&
	grep -q " '"$many"' files" stats'
holds 'stats of what goes to the null device' '"$cat" --stats a big b "$top"/small/* 2>stats >/dev/null &&
	grep -q "^aio-cat: $(cat a big b "$top"/small/* | wc -c) bytes, $(('"$many"' + 3)) files" stats'
holds 'stats in JSON' '"$cat" --stats=json a big 2>stats | cksum && grep -q "^{\"bytes\": 5242882, \"files\": 2, .*\"failed\": false}$" stats'

# --- what cat has not
# says NAME TEXT SNIPPET: SNIPPET fails with status 1, and TEXT is in its message
says()
{
	holds "$1" "$3 2>message >result; test \$? = 1 && grep -qF -- \"$2\" message && ! test -s result"
}
holds 'names from a file' 'printf "a\0big\0two words\0" >names; "$cat" --files0-from=names >got; cat a big "two words" | cmp - got'
holds 'names from standard input' 'printf "a\0b" | "$cat" --files0-from=- >got; cat a b | cmp - got'
holds 'no names' '"$cat" --files0-from=/dev/null >got; test ! -s got'
holds 'a missing name among names' 'printf "a\0missing\0b\0" >names; "$cat" --files0-from=names >got 2>err; test $? = 1; cat a b | cmp - got'
says 'an empty name among names' 'zero-length' 'printf "a\0\0b" | "$cat" --files0-from=-'
says 'standard input among names from it' "no file name of '-'" 'printf "a\0-\0" | "$cat" --files0-from=-'
says 'names and operands' 'extra operand' '"$cat" --files0-from=a b'
says 'a list of names that is missing' 'missing: No such file' '"$cat" --files0-from=missing'
for range in 0:0 0:1 1:2 5:100000 4096:4096 65530:20 100000:5242880 5242879:10 6000000:1; do
	off=${range%:*} size=${range#*:}
	holds "the range $range" "\"\$cat\" --range=$range big size65537 one >got; for f in big size65537 one; do
		tail -c +$((off + 1)) \$f | head -c $size; done | cmp - got"
	holds "the range $range of pipes" "cat big | \"\$cat\" --range=$range - >got; tail -c +$((off + 1)) big | head -c $size | cmp - got"
	holds "the range $range into a pipe" "\"\$cat\" --range=$range big | cat >got; tail -c +$((off + 1)) big | head -c $size | cmp - got"
done
holds 'a range without end' '"$cat" --range=5000000 big >got; tail -c +5000001 big | cmp - got'
holds 'a range in KiB' '"$cat" --range=4K:1M big >got; tail -c +4097 big | head -c 1048576 | cmp - got'
holds 'a range from the position of standard input' '{ dd bs=10 count=1 of=skipped 2>dd; "$cat" --range=5:20; } <big >got; tail -c +16 big | head -c 20 | cmp - got'
for wrong in x -1 1:x 1:2:3 :5 99999999999999999999 9000000T; do
	says "the range $wrong" "invalid range" "\"\$cat\" --range=$wrong a"
done
for jobs in 1 2 128; do
	holds "$jobs at once" "\"\$cat\" -j $jobs \"\$top\"/small/* | cmp - \"\$top/expected.small\""
done
says 'no file at once' 'number of jobs' '"$cat" -j 0 a'
says 'too many at once' 'number of jobs' '"$cat" --jobs=129 a'
for option in --direct --nocache --engine=sync --engine=uring --retry --retry=5 '--direct --nocache' '--engine=sync --direct'; do
	holds "$option" "\"\$cat\" $option empty one big size* sparse unended | cksum >got; cat empty one big size* sparse unended | cksum | cmp - got"
	holds "$option, numbered" "\"\$cat\" -n $option a big unended | cksum >got; cat -n a big unended | cksum | cmp - got"
	holds "$option, standard input" "cat big | \"\$cat\" $option a - | cksum >got; cat a big | cksum | cmp - got"
done
says 'an engine that is none' 'invalid engine' '"$cat" --engine=steam a'
says 'retries that are no number' 'number of retries' '"$cat" --retry=x a'
says 'statistics that are none' 'form of statistics' '"$cat" --stats=xml a'

# --- -o
holds 'a new file' '"$cat" -o new a big b && cat a big b | cmp - new && : >other && test "$(stat -c %a new)" = "$(stat -c %a other)"'
holds 'a file is replaced' 'echo old >f; chmod 640 f; ln f other; "$cat" -o f a && cmp a f && test "$(stat -c %a f)" = 640 && test "$(cat other)" = old'
holds 'a file made of itself' '"$cat" -o a a b a && printf "a\nb\na\n" | cmp - a'
holds 'through a link' 'ln -s a l; "$cat" -o l b && test -h l && cmp a b'
holds 'through a dangling link' 'mkdir d; ln -s ../made d/l; "$cat" -o d/l b && test -h d/l && cmp made b'
! $closed_stays || holds 'with standard output closed' '"$cat" -o f a >&- && cmp a f'
holds 'signals that are ignored stay so' '(trap "" INT TERM; { cat a; sleep 0.6; cat b; } | "$cat" -o f - & sleep 0.3; kill -INT $!; kill -TERM $!; wait $!) &&
	cat a b | cmp - f'
holds '--engine=sync can be stopped' 'echo old >f; mkfifo f2; exec 9<>f2; setsid env --default-signal=INT,TERM "$cat" --engine=sync -o f f2 & sleep 0.5
	kill -INT $!; wait $!; test $? = 130 && test "$(cat f)" = old && rm f2'
holds '--direct leaves the flags of standard input' '{ "$cat" --direct -; grep ^flags: /proc/self/fdinfo/0; } <size4096 | tail -c 20 | grep -qv 4[0-9][0-9][0-9][0-9]$'
holds 'on the disk' '"$cat" --fsync -o f a big && cat a big | cmp - f'
holds 'to a device' '"$cat" -o /dev/null a'
holds 'to a FIFO' 'cat fifo >got & "$cat" -o fifo a && wait && cmp a got'
holds 'nothing is written where something is missing' 'echo old >f; ls -A >../before; "$cat" -o f a missing b 2>../said; test $? = 1 &&
	test "$(cat f)" = old && grep -q "f: not written" ../said && ls -A >../after && diff ../before ../after'
holds 'nothing is left where the disk is full' 'echo old >f; (ulimit -f 1; trap "" XFSZ; "$cat" -o f big 2>err); test $? = 1 &&
	test "$(cat f)" = old && test -z "$(ls -A | grep "^[.]f")"'
says 'in a directory that is missing' 'nowhere/f: No such file' '"$cat" -o nowhere/f a'
says 'onto a directory' 'dir: Is a directory' '"$cat" -o dir a'
says '--fsync without -o' '--fsync needs -o' '"$cat" --fsync a'
for signal in INT=130 TERM=143; do
	wanted=${signal#*=} signal=${signal%=*}
	holds "SIG$signal leaves the file as it was, and says how far it came" "echo old >f; ls -A >../before; mkfifo f2; exec 9<>f2
		setsid env --default-signal=INT,TERM \"\$cat\" -o f big f2 2>../said & sleep 0.5; kill -$signal \$!; wait \$!; s=\$?; rm f2
		test \$s = $wanted && grep -q 'after 5242880 bytes' ../said && test \"\$(cat f)\" = old &&
		ls -A >../after && diff ../before ../after"
done
holds 'a kill leaves the file as it was' 'echo old >f; { cat big; sleep 5; } | "$cat" -o f - & sleep 0.5; kill -9 $!; sleep 0.1; test "$(cat f)" = old'

[ "$failed" -ne 0 ] || echo "aio-cat: $case_nr cases as cat"
[ "$failed" -eq 0 ] || echo "aio-cat: $failed differences in $case_nr cases"
[ "$failed" -eq 0 ]
