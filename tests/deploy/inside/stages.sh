# What is done at each start of the machine: sourced by run.

# The package: installed as the page says, with everything the page does with it, and upgraded.
stage_package() {
    local pid version
    check "systemd is process 1: $(systemctl --version | head -n 1)" test "$(cat /proc/1/comm)" = systemd
    run_block Install 1
    check "the server takes requests" ready
    running
    check "a product is created" product
    check "an order is placed" code 201 order ada
    run_block Credentials
    storefront
    proxy_settings
    check "the live feed" feed
    check "the dashboard, its pages, the description and readiness" pages
    check "systemctl restart" systemctl restart flashsale && check "the orders are there" kept ada eve
    check "kill -9: systemd starts it again" restarts_after_a_kill && check "the orders are there" kept ada eve
    check "a stop with a client takes less than 9 s" stops_in_time
    check "no system call that the unit forbids is needed" nothing_forbidden
    check "the orders are there" kept ada eve strict
    run_block "Before a sale"
    check "the timer is armed" armed
    check "the timer's backup" by_timer
    mkdir -p /mnt/backups && chown "$user:" /mnt/backups
    echo "prepared: /mnt/backups, which the page takes as there"
    run_block Backup
    check "the backup is whole and closed to others" backed_up
    check "backups on another disk, by a drop-in" elsewhere
    run_block "The restore drill"
    check "nothing is left of the drill" sh -c "! ls -d $backups/restore-drill-*"
    check "an order after the backup" code 201 order late
    run_block "The restore itself"
    check "the orders of the backup are there" kept ada eve strict
    check "the one after it is gone" code 0 orders_of late
    check "the old store is beside it" sh -c 'ls -d /var/lib/flashsale/*.redb* | tail -n +2 | grep .'
    upgrade
    check "a crash soon after some restarts: systemd starts it again" often
    check "a server that cannot listen is tried ten times" failed_with HOST=192.0.2.1 3 10
    check "one with wrong settings is tried once" failed_with PORT=none 0 0
    check "the journal has nothing of the sandbox" quiet
}

# running: what must hold of it wherever it came from.
running() {
    check "it runs as its user, with 65,536 files and without privileges" as_unit_says
    check "it writes its data directory only" writes_data_only
    check "systemd rates it as the page says" rated
    check "only root reads the admin token" secret "$token_file"
    check "operator routes need the token" guarded
}

# storefront: the drop-in of the page.
storefront() {
    local dir=/etc/systemd/system/flashsale.service.d
    mkdir -p "$dir"
    sed -n '/^```ini/,/^```/p' "$page" | sed '/^```/d' >"$dir/override.conf"
    (umask 077 && openssl rand -hex 24 >/etc/flashsale/storefront_token)
    check "the page's drop-in for a credential" sh -c 'systemctl daemon-reload && systemctl restart flashsale' &&
        check "the server takes requests" ready
    check "an order without the storefront's token is rejected" code 401 order eve
    check "an order with it" code 201 order eve -H "authorization: Bearer $(cat /etc/flashsale/storefront_token)"
    check "only root reads it" secret /etc/flashsale/storefront_token
    rm -r "$dir"
    systemctl daemon-reload
    systemctl restart flashsale
    check "without the drop-in it is open again" ready
}

# proxy_settings: those of the page, in /etc/flashsale/env.
proxy_settings() {
    sed -n '/^```sh/,/^```/p' "$page" | sed '/^```/d' >>/etc/flashsale/env
    check "the settings of the page are taken over by a restart" \
        sh -c "systemctl restart flashsale && sleep 1; curl -sf --retry 20 --retry-connrefused $server/readyz" &&
        check "links have the proxy's path" sh -c "curl -sf $server/openapi.json | grep -F https://shop.example/flash"
}

orders_of() {
    operator "/orders/user/$1" | grep -o '"userId"' | wc -l
}

# upgrade: the running server is the old one until the restart; settings and orders stay.
upgrade() {
    local pid
    pid=$(main_pid)
    run_block Upgrades 1 '^sudo (systemctl start|apt)'
    check "the new version is installed" sh -c "dpkg -s flashsale | grep '^Version: $next'"
    check "the old server runs on" test "$(main_pid)" = "$pid"
    check "its program was replaced" sh -c "readlink /proc/$pid/exe | grep deleted"
    check "the settings were kept" grep PUBLIC_URL=https://shop.example/flash /etc/flashsale/env
    run_block Upgrades 1 '^sudo (/usr|systemctl restart)'
    check "the orders are there" kept ada eve strict
    check "the new program runs" sh -c "! readlink /proc/$(main_pid)/exe | grep deleted"
    check "the timer is armed" armed
}

# The machine was switched off and on again. Then the package is removed, comes back, and is purged.
stage_restarted() {
    local token
    check "after a start of the machine the server is there, with the orders" kept ada eve strict
    check "the timer is armed" armed
    running
    check "apt remove" apt-get remove -y flashsale
    check "the server was stopped" gone
    check "the store, the backups and the settings stay" \
        ls /var/lib/flashsale/flashsale.redb "$backups"/*.backup /etc/flashsale/env "$token_file"
    check "it is installed again" apt-get install -y "$clone/flashsale_${next}_"*.deb
    check "the orders are there" kept ada eve strict
    check "apt purge" apt-get purge -y flashsale
    check "the server was stopped" gone
    check "settings and token are gone" sh -c "! ls /etc/flashsale/env $token_file 2>&1 | grep -v 'No such'"
    check "systemd knows nothing of it" sh -c "! systemctl list-unit-files --no-legend 'flashsale*' | grep ."
    check "the store and the backups stay" ls /var/lib/flashsale/flashsale.redb "$backups"/*.backup
    check "it is installed after the purge" apt-get install -y "$clone/flashsale_${next}_"*.deb
    check "the orders are there, with a token of its own" kept ada eve strict
    check "apt purge" apt-get purge -y flashsale
    check "the journal has nothing of the sandbox" quiet
    # The next stage begins without it.
    rm -rf /var/lib/flashsale "$backups" /etc/flashsale
    userdel flashsale
}

# gone: neither process nor units that run.
gone() {
    ! systemctl is-active flashsale flashsale-backup.timer && ! curl -s "$server/livez" &&
        [ ! -e /usr/bin/flashsale ] && ! find /proc -maxdepth 1 -user flashsale | grep .
}

# The files without the package.
stage_files() {
    run_block Install 2
    check "the server takes requests" ready
    running
    check "a product is created" product
    check "an order is placed" code 201 order ada
    check "the timer is armed" armed
    check "a backup" systemctl start flashsale-backup && check "it is whole and closed to others" backed_up
    check "restore drill" runuser -u flashsale -- /usr/lib/flashsale/restore-drill "$backups"
    check "no system call that the unit forbids is needed" nothing_forbidden
    check "the orders are there" kept ada strict
    check "the journal has nothing of the sandbox" quiet
    check "every command of the page was run" whole_page
}
