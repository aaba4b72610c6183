# What must hold of a server that runs: sourced by run.

# as_unit_says: the process runs as its user, with its limits and without privileges.
as_unit_says() {
    local pid state
    pid=$(main_pid)
    state=$(cat "/proc/$pid/status") || return 1
    [ "$(stat -c %U "/proc/$pid")" = flashsale ] || { echo "it runs as $(stat -c %U "/proc/$pid")"; return 1; }
    grep -E '^Max open files +65536 +65536 ' "/proc/$pid/limits" || { cat "/proc/$pid/limits"; return 1; }
    for line in 'CapEff:	0000000000000000' 'CapBnd:	0000000000000000' 'NoNewPrivs:	1' 'Seccomp:	2'; do
        grep -qx "$line" <<<"$state" || { echo "no line is '$line'"; echo "$state"; return 1; }
    done
    property flashsale User flashsale && property flashsale ActiveState active
}

# writes_data_only: what the process sees is read-only but for its data; homes and devices are not there.
writes_data_only() {
    local pid path
    pid=$(main_pid)
    for path in /usr/bin /etc/flashsale /var/lib /var/log /boot /srv; do
        ! nsenter -t "$pid" -m touch "$path/written" 2>/dev/null || { echo "$path can be written"; return 1; }
    done
    nsenter -t "$pid" -m sh -c 'touch /var/lib/flashsale/written && rm /var/lib/flashsale/written' || return 1
    ! nsenter -t "$pid" -m sh -c 'ls /home/* 2>/dev/null | grep .' || { echo "homes can be seen"; return 1; }
    ! nsenter -t "$pid" -m ls /dev/kmsg /dev/mem 2>/dev/null || { echo "devices can be seen"; return 1; }
    [ "$(stat -c '%U %a' /var/lib/flashsale)" = "flashsale 700" ] || { stat /var/lib/flashsale; return 1; }
}

# rated: systemd rates the unit that runs as the page says.
rated() {
    local said
    said=$(tr '\n' ' ' <"$page" | sed -n 's/.*rates it \([0-9.]*\) of 10.*/\1/p')
    systemd-analyze security --no-pager flashsale | tail -n 1 | tee /dev/stderr |
        grep -F "flashsale.service: ${said:?} "
}

# secret TOKEN_FILE: only root can read it, and no other process sees the copy that the service has.
secret() {
    [ "$(stat -c '%U %a' "$1")" = "root 600" ] || { stat "$1"; return 1; }
    ! runuser -u flashsale -- cat "$1" 2>/dev/null || return 1
    ! runuser -u "$user" -- ls /run/credentials/flashsale.service 2>/dev/null || return 1
}

# guarded: operator routes need the token, buying does not.
guarded() {
    [ "$(curl -s -o /dev/null -w '%{http_code}' "$api/orders")" = 401 ] || { echo "open without the token"; return 1; }
    operator "/orders?limit=1"
}

# feed: the first frames of the live feed, as text of the server has no mask.
feed() {
    curl -sN --max-time 5 -H 'connection: upgrade' -H 'upgrade: websocket' -H 'sec-websocket-version: 13' \
        -H 'sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==' -H "authorization: Bearer $(cat $token_file)" \
        "$server/monitoring" >"$output.feed"
    grep -a -o '"event":"metrics-update"' "$output.feed" | head -n 1 | grep .
}

# pages: those of the dashboard, each whole.
pages() {
    local path
    for path in / /products /orders /queue /benchmark; do
        curl -fsS -H "authorization: Bearer $(cat $token_file)" "$server$path" >"$output.page" &&
            grep -q '</html>' "$output.page" || { echo "$path"; return 1; }
    done
    curl -fsS "$server/docs" | grep -q '</html>' && operator /monitoring/readiness && curl -fsS "$server/openapi.json" |
        grep -c '"openapi"'
}

# restarts_after_a_kill: systemd starts it again, once.
restarts_after_a_kill() {
    local before
    before=$(main_pid)
    systemctl kill -s KILL --kill-who=main flashsale && ready || return 1
    [ "$(main_pid)" != "$before" ] || { echo "it was not killed"; return 1; }
    property flashsale NRestarts 1 && property flashsale ActiveState active
}

# stops_in_time: with clients that stay connected; well, and before systemd would kill it.
stops_in_time() {
    local began took client
    curl -sN --max-time 60 -o /dev/null -H 'connection: upgrade' -H 'upgrade: websocket' \
        -H 'sec-websocket-version: 13' -H 'sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==' \
        -H "authorization: Bearer $(cat $token_file)" "$server/monitoring" &
    client=$!
    sleep 1
    began=$(date +%s%N)
    systemctl stop flashsale
    took=$((($(date +%s%N) - began) / 1000000))
    kill "$client" 2>/dev/null
    echo "stopped within $took ms"
    [ "$took" -lt 9000 ] && property flashsale Result success && property flashsale ExecMainStatus 0 &&
        property flashsale ActiveState inactive && systemctl start flashsale && ready
}

# nothing_forbidden: it needs no system call that the unit forbids: with this drop-in, one would kill it.
nothing_forbidden() {
    local dir held=0
    for dir in /run/systemd/system/flashsale{,-backup}.service.d; do
        mkdir -p "$dir" && printf '[Service]\nSystemCallErrorNumber=kill\n' >"$dir/kill.conf" || return 1
    done
    systemctl daemon-reload
    survives || held=1
    rm -r /run/systemd/system/flashsale{,-backup}.service.d
    systemctl daemon-reload
    systemctl reset-failed flashsale flashsale-backup
    systemctl start flashsale && ready && [ "$held" = 0 ]
}

# survives: one process serves all kinds of requests and a backup, and stops well.
survives() {
    local pid
    systemctl restart flashsale && ready || return 1
    pid=$(main_pid)
    code 201 order strict && pages && feed && sleep 2 && systemctl start flashsale-backup || return 1
    [ "$(main_pid)" = "$pid" ] || { echo "it was killed"; return 1; }
    systemctl stop flashsale && property flashsale Result success
}

# backed_up: the newest backup is whole, and nobody else's to read.
backed_up() {
    local newest
    newest=$(find "$backups" -name 'flashsale-*.backup' | sort | tail -n 1)
    [ "$(stat -c '%U %a' "$newest")" = "flashsale 600" ] || { stat "$newest"; return 1; }
    property flashsale-backup Result success && flashsale verify --scratch-dir /tmp "$newest"
}

# armed: the timer has a next time, within two hours.
armed() {
    local next
    systemctl is-enabled flashsale-backup.timer && systemctl is-active flashsale-backup.timer || return 1
    next=$(date -d "$(systemctl show -p NextElapseUSecRealtime --value flashsale-backup.timer)" +%s) || return 1
    [ $((next - $(date +%s))) -lt 7200 ]
}

# by_timer: what the timer starts works. It is set to a time that is now.
by_timer() {
    local dir=/run/systemd/system/flashsale-backup.timer.d before _
    before=$(find "$backups" -name '*.backup' | wc -l)
    mkdir -p "$dir" && printf '[Timer]\nOnCalendar=\nOnCalendar=*:*:0/5\nRandomizedDelaySec=0\n' >"$dir/now.conf" &&
        systemctl daemon-reload && systemctl restart flashsale-backup.timer || return 1
    for _ in $(seq 100); do
        [ "$(find "$backups" -name '*.backup' | wc -l)" -gt "$before" ] && break
        sleep 0.2
    done
    rm -r "$dir"
    systemctl daemon-reload && systemctl restart flashsale-backup.timer || return 1
    while [ "$(systemctl show -p ActiveState --value flashsale-backup)" = activating ]; do sleep 0.2; done
    property flashsale-backup Result success && [ "$(find "$backups" -name '*.backup' | wc -l)" -gt "$before" ]
}

# elsewhere: a drop-in sends the backups to another disk, as the page says.
elsewhere() {
    local dir=/etc/systemd/system/flashsale-backup.service.d
    install -d -m 700 -o flashsale -g flashsale /mnt/disk && mkdir -p "$dir" &&
        printf '[Service]\nEnvironment=BACKUP_DIR=/mnt/disk\nReadWritePaths=/mnt/disk\n' >"$dir/disk.conf" &&
        systemctl daemon-reload && systemctl start flashsale-backup ||
        { journalctl -u flashsale-backup -n 20; return 1; }
    rm -r "$dir"
    systemctl daemon-reload
    ls /mnt/disk/flashsale-*.backup
}

# quiet: nothing in the journal since this start looks like the sandbox's doing.
quiet() {
    local units='_SYSTEMD_UNIT=flashsale.service + _SYSTEMD_UNIT=flashsale-backup.service + UNIT=flashsale.service'
    local signs='not permitted|EPERM|SIGSYS|bad system call|read-only file|panick'
    # shellcheck disable=SC2086
    ! journalctl -b --no-pager -o cat $units | grep -iE "$signs" &&
        ! journalctl -b --no-pager -o cat -t kernel -t audit | grep -E 'type=1326|SECCOMP|segfault|oom-kill'
}

# failed_with SETTING LEAST MOST: with a setting that no server can start with, systemd tries so many times again, and
# then says that it failed; a start by hand works once the setting is gone.
failed_with() {
    local _ tries
    cp -p /etc/flashsale/env "$output.env" && echo "$1" >>/etc/flashsale/env || return 1
    systemctl reset-failed flashsale
    systemctl restart flashsale
    for _ in $(seq 600); do
        ! systemctl --quiet is-failed flashsale || break
        sleep 0.2
    done
    tries=$(systemctl show -p NRestarts --value flashsale)
    cp -p "$output.env" /etc/flashsale/env
    property flashsale ActiveState failed || return 1
    [ "$tries" -ge "$2" ] && [ "$tries" -le "$3" ] || { echo "it was tried again $tries times"; return 1; }
    systemctl reset-failed flashsale && systemctl start flashsale && ready
}

# often: some restarts in a row by hand, as while settings are tried, and then a crash: the server is there.
often() {
    local _
    for _ in 1 2 3 4; do systemctl restart flashsale && ready || return 1; done
    systemctl kill -s KILL --kill-who=main flashsale
    sleep 2
    ready
}
