#!/bin/sh
# Prepares the server for a load test, and runs it.
# Usage: ./run.sh FILE.yml [--visual] [OPTION of `artillery run`…]
# With --visual, its results and their report go into results/. Exit code: 0 when every threshold is met and the verdict
# holds, else that of Artillery, or 1.
# Settings: TARGET, ADMIN_TOKEN, STOREFRONT_TOKEN; FLASHSALE, the binary; YES=1, to run beside other products.
set -u
cd "$(dirname "$0")" || exit 1
target=${TARGET:-http://localhost:3000}
flashsale=${FLASHSALE:-../target/release/flashsale}
file=${1:?the file of a load test, such as flash-sale-standard.yml}
shift
visual=
if [ "${1:-}" = --visual ]; then
    visual=results/${file%.yml}
    mkdir -p results && rm -f "$visual.json"
    shift
    set -- --output "$visual.json" "$@"
fi

fail() {
    echo "error: $1" >&2
    exit 1
}
command -v "$flashsale" >/dev/null || fail "$flashsale is not there: build it, or name it with FLASHSALE"
[ -x node_modules/.bin/artillery ] || fail "run \`npm ci --ignore-scripts\` in load-test/ first"
scenario=$(sed -n 's/^ *scenario: //p' "$file")
"$flashsale" scenario "$scenario" --server "$target" ${YES:+--yes} || exit 1
# WORKERS is a setting of the server, and Artillery would take it for its own.
env -u WORKERS ARTILLERY_DISABLE_TELEMETRY=true node_modules/.bin/artillery run "$file" --target "$target" "$@"
code=$?
if [ -n "$visual" ] && [ -f "$visual.json" ]; then
    "$flashsale" report "$visual.json" --output "$visual.html" --force || exit 1
fi
exit "$code"
