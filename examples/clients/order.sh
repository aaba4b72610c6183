#!/usr/bin/env bash
# Places one order and follows it. Asks again with the same key while the server is busy or away, for a minute.
# Usage: order.sh URL PRODUCT USER QUANTITY KEY. STOREFRONT_TOKEN, if the server has one. Needs curl and jq.
# Exit code: 0 when the units are bought or reserved, 1 when the order was rejected, 2 when nobody knows yet.
set -u
[ $# = 5 ] || { sed -n 2,4p "$0" >&2; exit 2; }
url=$1/api/v1 deadline=$((SECONDS + 60))
head=$(mktemp) && trap 'rm -f "$head"' EXIT
body=$(jq -n --argjson product "$2" --arg user "$3" --argjson quantity "$4" \
    '{productId: $product, userId: $user, quantity: $quantity}')

# ask ARGUMENT…: one request, repeated while that helps. Sets `status` and `response`.
ask() {
    local pause after
    for pause in 1 2 4 8 16 30 30 30; do
        response=$(curl -s -m 10 -D "$head" "$@" ${STOREFRONT_TOKEN:+-H "Authorization: Bearer $STOREFRONT_TOKEN"})
        status=$(sed -n '1s|^HTTP/[0-9.]* \([0-9]*\).*|\1|p' "$head")
        [[ ${status:=none} =~ ^(429|5..|none)$ ]] || return 0
        after=$(tr -d '\r' <"$head" | sed -n 's/^[Rr]etry-[Aa]fter: \([0-9]*\)$/\1/p')
        : >"$head"
        [ $((SECONDS + ${after:=$pause})) -lt "$deadline" ] || break
        sleep "$after.$((RANDOM % 10))" # not all buyers at the same moment
    done
    echo "no response but $status: ask again with the same key" >&2
    exit 2
}

ask "$url/orders" -H 'Content-Type: application/json' -H "Idempotency-Key: $5" -d "$body"
[ "$status" = 201 ] || { echo "not ordered: $(jq -r .code <<<"$response")"; exit 1; }
order=$(jq -r .orderId <<<"$response") job=$(jq -r .jobId <<<"$response")
while ask "$url/orders/queue/$job"; do
    [ "$status" = 200 ] || { echo "order $order: $(jq -r .code <<<"$response")"; exit 2; }
    case $(jq -r '.orderStatus + " " + (.expiresAt // "")' <<<"$response") in
    "pending ") [ "$SECONDS" -lt "$deadline" ] || { echo "order $order: pending"; exit 2; } ;;
    "pending "*) echo "order $order: reserved until $(jq -r .expiresAt <<<"$response")"; exit 0 ;;
    confirmed*) echo "order $order: confirmed"; exit 0 ;;
    *) echo "order $order: $(jq -r .orderStatus <<<"$response")"; exit 1 ;;
    esac
    sleep 1
done
