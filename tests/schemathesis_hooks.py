"""What a schema cannot say of valid requests: how values stand to each other, and to what the server has stored.

Requests that are meant to be valid are put right here where the API refuses them for such a reason; those that are
meant to be invalid go out as they were made.
"""

import json
import unicodedata
import zlib

import schemathesis


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    # An answer may say null where an id can be; whoever follows it has no id.
    if case.path_parameters.get("id", 1) in (None, "None", "null"):
        case.path_parameters["id"] = 1
    # A cursor is good for the list that gave it out; nobody else can make one.
    if case.query:
        case.query.pop("cursor", None)
    # Which state a tag is of, no schema says.
    for name in ("If-Match", "If-None-Match"):
        (case.headers or {}).pop(name, None)
    body = case.body if isinstance(case.body, dict) else {}
    # Which characters are shown, and what is normalized, no pattern says.
    for order in [body, *(body.get("orders") if isinstance(body.get("orders"), list) else [])]:
        if isinstance(order, dict):
            put_right(order, userId=255, reference=255)
            # How long all of it is together, no schema says.
            pairs = order.get("metadata")
            while isinstance(pairs, dict) and len("".join([*pairs, *map(str, pairs.values())]).encode()) > 4096:
                pairs.popitem()
    put_right(body, name=255, sku=64)
    # How many digits are after the point of a number, no schema says that generators like.
    if isinstance(body.get("price"), float):
        body["price"] = round(body["price"], 2)
    match case.operation.definition.raw.get("operationId"):
        case "getMetricsHistory":
            # A range starts before it ends, which is the present if unset.
            (case.query or {}).pop("from", None)
        case "placeOrder":
            # A key that comes again comes with the same body.
            key = case.headers.get("Idempotency-Key")
            if key:
                tag = f"{zlib.crc32(json.dumps(body, sort_keys=True).encode()):08x}"
                case.headers["Idempotency-Key"] = key[: 255 - len(tag)] + tag
        case "createProduct":
            order_window(body)
        case "updateProduct":
            order_window(body)
            # How many units there is room for depends on those that are held and sold.
            body.pop("initialStock", None)
            body.pop("currentStock", None)
            body or body.update(flashSaleActive=True)
        case "restockProduct":
            # A product may be full already. Taking units away is fine, or they are sold out.
            quantity = body["quantity"]
            text = isinstance(quantity, str)
            body["quantity"] = "-" + quantity.lstrip("-") if text else -abs(quantity)


def put_right(fields, **most):
    """Makes these fields, where they are texts, ones that are shown, of at most so many characters."""
    for name, chars in most.items():
        if isinstance(fields.get(name), str):
            fields[name] = shown(fields[name])[:chars]


def shown(name):
    """The characters of a name that every version of Unicode shows, in normalization form C."""
    kept = "".join(c for c in name if unicodedata.category(c)[0] in "LNPS" and unicodedata.normalize("NFKC", c) == c)
    return unicodedata.normalize("NFC", kept) or "ada"


def order_window(body):
    """A sale ends after it starts; the end that is not sent is taken away, whatever was stored."""
    start, end = body.get("saleStartsAt"), body.get("saleEndsAt")
    if start and end:
        body.update(saleStartsAt="1970-01-01T00:00:00Z", saleEndsAt="2999-12-31T00:00:00Z")
    elif start or end:
        body.update(saleStartsAt=start, saleEndsAt=end)
