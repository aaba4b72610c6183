# For scripts that need a server: sourced by them.

# start_server LOG COMMAND…: starts a server on a free port, and sets `pid` and `port` once it listens.
start_server() {
    local log=$1
    shift
    "$@" serve --sample-data --port 0 --data-dir "${log%.log}" >"$log" 2>&1 &
    pid=$!
    port=
    for _ in $(seq 100); do
        port=$(sed -n 's|.*listening  *http://127.0.0.1:\([0-9]*\).*|\1|p' "$log" | head -n 1)
        [ -z "$port" ] || return 0
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    echo "the server did not start:"
    cat "$log"
    return 1
}

# stop_server: stops the one that was started, if there is one; its exit code.
stop_server() {
    local stopped=${pid:-}
    pid=
    [ -z "$stopped" ] || { kill -TERM "$stopped" && wait "$stopped"; } 2>/dev/null
}
