# Runs one server as its child and ends it when the lifeline (standard input) closes at its far end.
#   $1  folder to remove once the lifeline has closed; empty: keep everything
#   $2  named pipe behind the lifeline, removed before the last look at it; empty: a plain pipe
#   $3  seconds a closed named pipe may be taken up again
#   the rest: the server's command line
doomed=$1 fifo=$2 grace=$3
shift 3
exec 3<&0 </dev/null

"$@" 3<&- >&2 &
server=$!
echo "$server"
exec >&2

closed() { while read -r _; do :; done <&3; }

(
    closed
    if [ -n "$fifo" ]; then
        sleep "$grace" 3<&-
        # Without its name nobody can join any more; whoever joined before is waited for here.
        rm -f "$fifo"
        closed
    fi
    trap 'exit 0' TERM
    kill -INT "$server"
    n=0
    while [ "$n" -lt 100 ]; do
        sleep 0.1 3<&-
        n=$((n + 1))
    done
    kill -KILL "$server"
    exit 0
) &
watch=$!

wait "$server"
status=$?
kill -TERM "$watch" 2>/dev/null
# The watch ends with 0 only if the lifeline had closed: a server that died alone keeps its folder.
if wait "$watch" && [ -n "$doomed" ]; then
    n=0
    until rm -rf "$doomed" 2>/dev/null || [ "$n" -ge 25 ]; do
        sleep 0.2
        n=$((n + 1))
    done
elif [ -n "$fifo" ]; then
    rm -f "$fifo"
fi
exit "$status"
