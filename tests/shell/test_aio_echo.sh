#!/bin/sh
# SPDX-License-Identifier: MIT
# aio-echo: its server against its client and against others, its client against bad servers, what it says and how it
# ends. $AIO_ECHO is the tool.
set -u
tool=${AIO_ECHO:?the path of aio-echo}
export LC_ALL=C

dir=$(mktemp -d) || exit 2
pids=
trap 'for pid in $pids; do kill -9 $pid 2>/dev/null; done; rm -rf "$dir"' EXIT
trap 'exit 2' HUP INT TERM
case_nr=0
failed=0

# holds NAME COMMAND…
holds()
{
	case_nr=$((case_nr + 1))
	name=$1
	shift
	"$@" >"$dir/said" 2>&1 && return
	echo "FAIL: $name"
	cat "$dir/said"
	failed=$((failed + 1))
}

# serve NAME [OPTION]… ADDRESS: a server; its process is in $server, where it listens in $address
serve()
{
	log=$dir/$1
	shift
	: >"$log"
	"$tool" serve "$@" >"$log" 2>"$log.err" &
	server=$!
	pids="$pids $server"
	address=
	for _ in $(seq 500); do
		address=$(sed -n 's/^listening on //p' "$log")
		[ -z "$address" ] || return 0
		sleep 0.02
	done
	echo "FAIL: no server"
	cat "$log.err"
	exit 1
}

# ended: the server goes at a signal, with status 0 and the last line
ended()
{
	kill -TERM "$server" && wait "$server" && tail -n 1 "$log" && tail -n 1 "$log" |
		grep -q '^[0-9]* connections, [0-9]* messages, [0-9]* bytes$' && [ ! -s "$log.err" ]
}

load()
{
	timeout 60 "$tool" load "$@"
}

# load_says STATUS PATTERN [OPTION]…: of what the client prints
load_says()
{
	expected=$1
	pattern=$2
	shift 2
	load "$@" >"$dir/out" 2>&1
	status=$?
	cat "$dir/out"
	[ $status -eq "$expected" ] && grep -q "$pattern" "$dir/out"
}

# fails PATTERN [ARGUMENT]…: ends with status 1, and says so
fails()
{
	pattern=$1
	shift
	timeout 60 "$tool" "$@" >"$dir/out" 2>&1
	status=$?
	cat "$dir/out"
	[ $status -eq 1 ] && grep -q "^aio-echo: .*$pattern" "$dir/out"
}

# field NAME: of the JSON object in $dir/out
field()
{
	sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p" "$dir/out"
}

# --- over TCP
serve tcp 127.0.0.1:0
tcp=$address
holds 'a message' load -n 1 "$tcp"
holds 'many connections, many at a time' load_says 0 ' 3000  messages' -c 50 -d 4 -n 3000 "$tcp"
holds 'large messages, more under way than sockets hold' load_says 0 ' 40  messages' -c 2 -d 10 -s 1M -n 40 "$tcp"
holds 'messages of one byte' load -d 7 -s 1 -n 1000 "$tcp"
holds 'for a time' load_says 0 'a second' -c 3 -t 0.3 "$tcp"
holds 'with a warm-up' load_says 0 'a second' -c 3 -t 0.2 -w 0.2 "$tcp"
holds 'by name' load_says 0 ' 5  messages' -c 2 -n 5 "localhost:${tcp##*:}"

json()
{
	load_says 0 '^{"connections":3,"bytes":100,"depth":2,.*}$' -c 3 -s 100 -d 2 -n 77 --json "$tcp" &&
		[ "$(wc -l <"$dir/out")" -eq 1 ] && [ "$(field messages)" = 77 ] && [ "$(field lost)" = 0 ] &&
		awk "BEGIN { exit !($(field min_us) > 0 && $(field min_us) <= $(field p50_us) &&
			$(field p50_us) <= $(field p90_us) && $(field p90_us) <= $(field p99_us) &&
			$(field p99_us) <= $(field p999_us) && $(field p999_us) <= $(field max_us)) }"
}
holds 'as JSON, percentiles in order' json

# 100 a second for a second and a half: not more, whatever the machine does
paced()
{
	load_says 0 messages -c 3 -r 100 -t 1.5 --json "$tcp" && [ "$(field messages)" -le 151 ]
}
holds 'at a rate' paced

# --- others as clients
devtcp()
{
	command -v bash >/dev/null || return 0
	bash -c 'exec 3<>/dev/tcp/127.0.0.1/$0 && printf "one\ntwo\n" >&3 && read -r a <&3 && read -r b <&3 &&
		[ "$a $b" = "one two" ]' "${tcp##*:}"
}
holds 'bash' devtcp

# --- how it ends
interrupted()
{
	"$tool" load -c 3 -t 100 "$tcp" >"$dir/out" 2>&1 &
	client=$!
	pids="$pids $client"
	sleep 0.5
	kill "-$1" $client
	wait $client
	status=$?
	cat "$dir/out"
	[ $status -eq "$2" ] && grep -q 'the longest' "$dir/out"
}
holds 'a load ended by SIGTERM prints what it has' interrupted TERM 143
trap '' INT # of children started in the background; a watch takes it all the same
holds 'a load ended by SIGINT prints what it has' interrupted INT 130
trap 'exit 2' INT
holds 'a server ends' ended
holds 'nobody listens' fails 'Connection refused' load -n 1 "$tcp"

# A connection that stays is cut off after the time that it has.
lingering()
{
	command -v bash >/dev/null || return 0
	serve drain --drain=0.2 127.0.0.1:0
	bash -c 'exec 3<>/dev/tcp/127.0.0.1/$0 && echo >"$1" && read -r x <&3' "${address##*:}" "$dir/connected" &
	while [ ! -e "$dir/connected" ]; do
		sleep 0.02
	done
	ended
}
holds 'a server ends though somebody stays' lingering

# --- over unix sockets
serve path "$dir/socket"
holds 'a path' load_says 0 ' 200  messages' -c 4 -d 3 -n 200 "$dir/socket"
holds 'a server of a path ends' ended
holds 'the path is gone' test ! -e "$dir/socket"
holds 'nothing at the path' fails 'No such file' load -n 1 "$dir/socket"
serve abstract "@aio-echo-test-$$"
holds 'an abstract name' load_says 0 ' 200  messages' -c 4 -n 200 "$address"
holds 'a server of an abstract name ends' ended

# --- a limit: further connections wait until one has gone
serve limit -m 2 127.0.0.1:0
holds 'one after the other' load -n 10 "$address"
holds 'as many as the limit' load -c 2 -n 10 "$address"
holds 'more than the limit' load -c 5 -n 20 "$address"
holds 'a server with a limit ends' ended

# --- datagrams
serve udp -u 127.0.0.1:0
holds 'datagrams' load_says 0 ' messages in' -u -c 8 -n 500 "$address"
holds 'large datagrams' load_says 0 ' 0  lost' -u -s 60000 -n 20 "$address"
holds 'a server of datagrams ends' ended

# --- IPv6
if [ -e /proc/net/if_inet6 ] && grep -q ' lo$' /proc/net/if_inet6; then
	serve ipv6 '[::1]:0'
	holds 'IPv6' load -c 3 -n 30 "$address"
	holds 'a server of IPv6 ends' ended
else
	echo 'skipped: IPv6 (this machine has none)'
fi

# --- bad servers
# bad NAME CODE PATTERN: a server in python that does CODE with a connection c
bad()
{
	python3 -c "
import socket, sys
s = socket.create_server(('127.0.0.1', 0))
print(s.getsockname()[1], flush=True)
c = s.accept()[0]
$2" >"$dir/port" 2>/dev/null &
	pids="$pids $!"
	while [ ! -s "$dir/port" ]; do
		sleep 0.02
	done
	holds "$1" fails "$3" load -n 100 -s 1000 -d 2 "127.0.0.1:$(cat "$dir/port")"
	rm "$dir/port"
}
# A server that stands still for half a second delays what was due meanwhile, and not only what was under way.
standstill()
{
	python3 -c "
import socket, time
s = socket.create_server(('127.0.0.1', 0))
print(s.getsockname()[1], flush=True)
c = s.accept()[0]
c.sendall(c.recv(64))
time.sleep(0.5)
while d := c.recv(64):
	c.sendall(d)" >"$dir/port" &
	pids="$pids $!"
	while [ ! -s "$dir/port" ]; do
		sleep 0.02
	done
	load_says 0 messages -r 100 -n 100 --json "127.0.0.1:$(cat "$dir/port")" &&
		awk "BEGIN { exit !($(field max_us) >= 400000 && $(field p90_us) >= 50000) }"
}

if python3 -c '' 2>/dev/null; then
	holds 'a server that stands still' standstill
	rm -f "$dir/port"
	bad 'a server that changes a byte' 'd = bytearray(c.recv(1000)); d[len(d) // 2] ^= 1; c.sendall(d); c.recv(1)' \
		'differs from what was sent'
	bad 'a server that doubles a byte' 'd = c.recv(1000); c.sendall(d[:10] + d[9:]); c.recv(5000); c.recv(1)' \
		'differs from what was sent'
	bad 'a server that says more than it was told' 'd = c.recv(1000); c.sendall(d + d + d); c.recv(5000); c.recv(1)' \
		'differs from what was sent'
	bad 'a server that goes early' 'd = c.recv(1000); c.sendall(d)' 'closed a connection\|reset by peer\|Broken pipe'
	bad 'a server that says nothing' 'c.shutdown(socket.SHUT_WR); c.recv(100000)' \
		'closed a connection\|reset by peer\|Broken pipe'
else
	echo 'skipped: bad servers (no python3)'
fi

# --- mistakes
holds 'no word' fails 'missing operand'
holds 'a wrong word' fails "neither serve nor load: 'dance'" dance
holds 'no address' fails 'missing address' load
holds 'two addresses' fails 'more than one address' load @a @b
holds 'an unknown option' fails 'unrecognized option' load --dance @a
holds "an option of the other's" fails "invalid option -- 'm'" load -m 3 @a
for wrong in '-c 0' '-c -1' '-c x' '-s 0' '-s 2000M' '-s 1G' '-d 0' '-d 1e3' '-t -1' '-t x' '-t nan' '-n 0' '-r 0' '-r inf' \
	'-w -1' '-n 18446744073709551616'; do
	# shellcheck disable=SC2086
	holds "load $wrong" fails invalid load $wrong @a
done
holds 'a depth of datagrams' fails 'cannot be combined' load -u -d 2 127.0.0.1:1
holds 'a datagram too large' fails '65507' load -u -s 65508 127.0.0.1:1
holds 'datagrams over a path' fails 'not supported' load -u -n 1 "$dir/socket"
holds 'datagrams at a path' fails "$dir/datagrams: .*not supported" serve -u "$dir/datagrams"
holds 'nothing is left of them' test ! -e "$dir/datagrams"
holds 'to serve a name' fails 'localhost:0: no HOST:PORT with a number' serve localhost:0
holds 'to serve no port' fails '127.0.0.1:70000: no HOST:PORT' serve 127.0.0.1:70000
holds 'no HOST:PORT' fails 'here: no HOST:PORT' load -n 1 here
holds 'a host that nobody knows' fails 'a b:1: .*host' load -n 1 'a b:1'
holds 'a port that is no number' fails 'nosuchport: .*service' load -n 1 127.0.0.1:nosuchport
holds 'a port above 65535' fails '70000: .*service' load -n 1 127.0.0.1:70000
holds 'no port' fails ':: .*service' load -n 1 localhost:
serve taken 127.0.0.1:0
holds 'an address in use' fails 'Address already in use' serve "$address"
holds 'its owner ends' ended
holds 'the help' sh -c '"$0" --help | grep -q "^Usage: aio-echo" && "$0" load --help | grep -q -- --warm-up' "$tool"
holds 'the version' sh -c '"$0" --version | grep -q "^aio-echo (aion) [0-9]"' "$tool"

# nowhere REASON WHERE [ARGUMENT]…: what is printed is lost, and that is said, with its reason
nowhere()
{
	reason=$1
	where=$2
	shift 2
	if [ "$where" = - ]; then
		timeout 60 "$tool" "$@" >&- 2>"$dir/out"
	else
		timeout 60 "$tool" "$@" >"$where" 2>"$dir/out"
	fi
	[ $? -eq 1 ] && grep -q "^aio-echo: write error: $reason" "$dir/out"
}
serve printing 127.0.0.1:0
if [ -e /dev/full ]; then
	holds 'no space for the help' nowhere 'No space' /dev/full --help
	holds 'no space for a result' nowhere 'No space' /dev/full load -n 10 "$address"
fi
case $(head -c 300 "$tool" | tr -d '\0') in
'#!'*valgrind*)
	echo 'skipped: closed descriptors (valgrind opens /dev/null there)'
	;;
*)
	holds 'no output for the help' nowhere 'Bad file' - --help
	holds 'no output for a result' nowhere 'Bad file' - load -n 10 "$address"
	# What is printed does not go to a socket that has got the number of standard output.
	holds 'no descriptors at all' sh -c '"$@" <&- >&- 2>&-; [ $? -eq 1 ]' sh "$tool" load -n 10 "$address"
	;;
esac
holds 'the server of these ends' ended

echo "$case_nr cases, $failed failed"
[ $failed -eq 0 ]
