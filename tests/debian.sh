# For scripts that need packages of Debian: sourced by them.

# Where Debian has servers, which not every user's path has.
PATH=$PATH:/usr/sbin:/sbin

# as_root COMMAND…: runs it as root.
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# install PACKAGE COMMAND [OPTION…]: makes sure that COMMAND is there, by Debian's package if need be.
install() {
    command -v "$2" >/dev/null 2>&1 && return 0
    echo "installing $1, as $2 is not here"
    as_root apt-get install -y -qq "${@:3}" "$1" >/dev/null 2>&1 ||
        { as_root apt-get update -qq && as_root apt-get install -y -qq "${@:3}" "$1" >/dev/null; } ||
        { echo "cannot install $1: install it by hand and run this again"; return 1; }
}
