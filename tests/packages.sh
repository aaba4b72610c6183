# For scripts that need packages from npm: sourced by them.

# packages FOLDER: installs those that its package-lock.json fixes, unless they are there.
packages() {
    local installed=target/${1//\//-}.lock
    if ! cmp -s "$1/package-lock.json" "$installed" || [ ! -d "$1/node_modules" ]; then
        echo "installing the packages of $1/package-lock.json"
        npm ci --prefix "$1" --ignore-scripts --no-audit --no-fund --silent || return 1
        mkdir -p target && cp "$1/package-lock.json" "$installed"
    fi
}
