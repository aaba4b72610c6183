"""Places one order and follows it. Asks again with the same key while the server is busy or away, for a minute.

Usage: order.py URL PRODUCT USER QUANTITY KEY. STOREFRONT_TOKEN, if the server has one. Needs Python 3.9.
Exit code: 0 when the units are bought or reserved, 1 when the order was rejected, 2 when nobody knows yet.
"""

import json
import os
import random
import sys
import time
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import Request, urlopen

PATIENCE_SECONDS = 60


def once(request):
    """One request: its status, 0 if there was no response, its body, and the seconds of Retry-After, or 0."""
    try:
        try:
            response = urlopen(request, timeout=10)
        except HTTPError as error:
            response = error  # a status of 400 or more
        with response:
            return response.status, json.load(response), int(response.headers.get("Retry-After") or 0)
    except (OSError, HTTPException, ValueError):
        return 0, {}, 0  # no connection, no response in time, or half of one


def ask(request, deadline):
    """The same, repeated while that helps: status and body. Status 0 if there was no response to the end."""
    pause = 1
    while True:
        status, body, after = once(request)
        if status not in (0, 429) and status < 500:
            return status, body
        after = after or pause
        if time.monotonic() + after > deadline:
            return 0, {}
        time.sleep(after + random.random())  # not all buyers at the same moment
        pause = min(pause * 2, 30)


def buy(server, order, key, token=None):
    """The outcome (`confirmed`, `reserved`, `rejected` or `unknown`), the order's number, and what there is to say."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    headers = {"Content-Type": "application/json", "Idempotency-Key": key}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    status, body = ask(Request(f"{server}/api/v1/orders", json.dumps(order).encode(), headers), deadline)
    if status == 0:
        return "unknown", None, "ask again with the same key"
    if status != 201:
        return "rejected", None, body["code"]
    number, job = body["orderId"], body["jobId"]
    while time.monotonic() < deadline:
        status, body = ask(Request(f"{server}/api/v1/orders/queue/{job}"), deadline)
        if status != 200:
            break
        if body["orderStatus"] == "confirmed":
            return "confirmed", number, "confirmed"
        if body["orderStatus"] != "pending":
            return "rejected", number, body["orderStatus"]
        if body["expiresAt"]:
            return "reserved", number, f"reserved until {body['expiresAt']}"
        time.sleep(1)
    return "unknown", number, "pending"


if __name__ == "__main__":
    if len(sys.argv) != 6:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    url, product, user, quantity, key = sys.argv[1:]
    wanted = {"productId": int(product), "userId": user, "quantity": int(quantity)}
    outcome, number, text = buy(url, wanted, key, os.environ.get("STOREFRONT_TOKEN"))
    print(f"order {number}: {text}" if number else f"not ordered: {text}")
    sys.exit({"confirmed": 0, "reserved": 0, "rejected": 1, "unknown": 2}[outcome])
