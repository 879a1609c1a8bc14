#!/bin/sh
# SPDX-License-Identifier: MIT
# Programs that nobody here wrote talk to servers, and through a relay, made with aion; and the load client of aio-echo
# to a server of another make. What is not installed is skipped. The programs are at $AIO_ECHO, $PING_SERVER, $RELAY.
set -u
tool=${AIO_ECHO:?the path of aio-echo}
export LC_ALL=C

dir=$(mktemp -d) || exit 2
pids=
trap 'for pid in $pids; do kill -9 $pid 2>/dev/null; done; rm -rf "$dir"' EXIT
trap 'exit 2' HUP INT TERM
case_nr=0
failed=0
head -c 3000000 /dev/urandom >"$dir/data"

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

have()
{
	command -v "$1" >/dev/null && return
	echo "skipped: $1 (not installed)"
	return 1
}

# start COMMAND…: a server that prints where it listens in its first line, at the end its port: $port; its process is
# $server
start()
{
	: >"$dir/first"
	"$@" >"$dir/first" 2>"$dir/server.err" &
	server=$!
	pids="$pids $server"
	port=
	for _ in $(seq 500); do
		if [ -s "$dir/first" ]; then
			port=$(sed -n '1s/.*[^0-9]//; 1p' "$dir/first")
			return 0
		fi
		sleep 0.02
	done
	echo "FAIL: no server: $*"
	cat "$dir/server.err"
	exit 1
}

stop()
{
	kill -TERM "$server" && wait "$server"
}

# --- the echo server
start "$tool" serve --drain=0.2 127.0.0.1:0
if have socat; then
	# half-closes, and waits for the rest
	holds 'socat' sh -c 'timeout 60 socat -t 30 - "TCP:127.0.0.1:$1" <"$2/data" | cmp - "$2/data"' sh "$port" "$dir"
fi
if have nc; then
	holds 'nc' sh -c 'timeout 60 nc -N 127.0.0.1 "$1" <"$2/data" | cmp - "$2/data"' sh "$port" "$dir"
fi
if have curl; then
	# curl stays until its time is over, as telnet would
	holds 'curl' sh -c 'printf "one\ntwo\n" | curl -s -m 2 "telnet://127.0.0.1:$1" >"$2/out"
		printf "one\ntwo\n" | cmp - "$2/out"' sh "$port" "$dir"
fi
holds 'the echo server ends' stop
if have socat; then
	start "$tool" serve "$dir/socket"
	holds 'socat, unix socket' sh -c 'timeout 60 socat -t 30 - "UNIX:$1/socket" <"$1/data" | cmp - "$1/data"' sh "$dir"
	holds 'the echo server ends' stop
	start "$tool" serve -u 127.0.0.1:0
	holds 'socat, datagrams' sh -c 'echo word | timeout 60 socat -t 2 - "UDP:127.0.0.1:$1" | grep -qx word' sh "$port"
	holds 'the echo server ends' stop

	# a server of another make, one process a connection
	socat -d -d TCP-LISTEN:0,bind=127.0.0.1,fork,reuseaddr EXEC:cat 2>"$dir/socat.err" &
	pids="$pids $!"
	port=
	while [ -z "$port" ]; do
		sleep 0.02
		port=$(sed -n 's/.*listening on .*:\([0-9]*\)$/\1/p' "$dir/socat.err")
	done
	holds 'the load client and socat' timeout 60 "$tool" load -c 3 -d 2 -s 5000 -n 60 "127.0.0.1:$port"
fi

# --- Redis
start "${PING_SERVER:?the path of ping_server}"
if have redis-benchmark; then
	holds 'redis-benchmark' sh -c 'timeout 60 redis-benchmark -p "$1" -t ping_inline,ping_mbulk -n 2000 -c 20 -q >"$2/out" &&
		[ "$(tr "\r" "\n" <"$2/out" | grep -c "^PING_.*requests per second")" -eq 2 ]' sh "$port" "$dir"
	holds 'redis-benchmark, pipelined' timeout 60 redis-benchmark -p "$port" -t ping_inline,ping_mbulk -n 4000 -c 7 -P 50 -q
fi
if have redis-cli; then
	holds 'redis-cli' sh -c '[ "$(timeout 60 redis-cli -p "$1" ping)" = PONG ]' sh "$port"
fi
if have curl; then
	holds 'curl and PING' sh -c 'printf "PING\r\nNONE\r\nping\r\n" | curl -s -m 2 "telnet://127.0.0.1:$1" | tr -d "\r" >"$2/out"
		printf "+PONG\n-ERR only PING\n+PONG\n" | cmp - "$2/out"' sh "$port" "$dir"
fi
holds 'the server of PING ends' stop

# --- through the relay
if have curl && have python3; then
	python3 -u -m http.server -d "$dir" -b 127.0.0.1 0 >"$dir/http" 2>&1 &
	pids="$pids $!"
	port=
	for _ in $(seq 500); do
		port=$(sed -n 's/.* port \([0-9]*\) .*/\1/p' "$dir/http")
		[ -z "$port" ] || break
		sleep 0.02
	done
	start "${RELAY:?the path of relay}" "127.0.0.1:$port"
	holds 'curl, a file' sh -c 'curl -s -m 60 "http://127.0.0.1:$1/data" | cmp - "$2/data"' sh "$port" "$dir"
	holds 'curl, four at a time' sh -c 'curl -s -m 60 -Z --parallel-max 4 "http://127.0.0.1:$1/data?[1-8]" -o "$2/got#1" &&
		for i in 1 2 3 4 5 6 7 8; do cmp "$2/got$i" "$2/data" || exit; done' sh "$port" "$dir"
	holds 'the relay ends' stop
fi
if have iperf3; then
	iperf_port=$((20000 + $$ % 10000))
	iperf3 -s -B 127.0.0.1 -p $iperf_port >"$dir/iperf" 2>&1 &
	pids="$pids $!"
	for _ in $(seq 500); do
		! grep -qs listening "$dir/iperf" || break
		sleep 0.02
	done
	start "$RELAY" "127.0.0.1:$iperf_port"
	holds 'iperf3' timeout 60 iperf3 -c 127.0.0.1 -p "$port" -n 50M
	holds 'iperf3, the other way' timeout 60 iperf3 -c 127.0.0.1 -p "$port" -n 50M -R
	holds 'iperf3, several streams, both ways' timeout 60 iperf3 -c 127.0.0.1 -p "$port" -t 1 -P 3 --bidir
	holds 'the relay ends' stop
fi

echo "$case_nr cases, $failed failed"
[ $failed -eq 0 ]
