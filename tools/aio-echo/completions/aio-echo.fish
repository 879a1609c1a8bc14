# SPDX-License-Identifier: MIT
# fish completion of aio-echo

set -l serve '__fish_seen_subcommand_from serve'
set -l load '__fish_seen_subcommand_from load'

complete -c aio-echo -n __fish_use_subcommand -f -a serve -d 'send back what comes'
complete -c aio-echo -n __fish_use_subcommand -f -a load -d 'measure a server'
complete -c aio-echo -n $serve -s m -l max -x -d 'serve at most so many connections at a time'
complete -c aio-echo -n $serve -l drain -x -d 'connections may go on so many seconds after a signal'
complete -c aio-echo -n $load -s c -l connections -x -d 'over so many connections'
complete -c aio-echo -n $load -s s -l size -x -d 'messages of so many bytes'
complete -c aio-echo -n $load -s d -l depth -x -d 'so many of a connection under way'
complete -c aio-echo -n $load -s t -l time -x -d 'send for so many seconds'
complete -c aio-echo -n $load -s n -l count -x -d 'send so many in all'
complete -c aio-echo -n $load -s r -l rate -x -d 'send so many a second in all'
complete -c aio-echo -n $load -s w -l warm-up -x -d 'so many seconds before it counts'
complete -c aio-echo -n $load -l json -d 'print one JSON object'
complete -c aio-echo -s u -l udp -d 'datagrams instead of connections'
complete -c aio-echo -l help -d 'display help and exit'
complete -c aio-echo -l version -d 'output version information and exit'
