"""Starts a server and a real Prometheus that scrapes it with our configuration, lets orders of every outcome happen,
and evaluates every expression of every panel and rule: each must return figures, with the labels that it names.

Usage: live.py BINARY.
"""

import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ROOT = pathlib.Path(__file__).resolve().parents[2]
DASHBOARD = ROOT / "deploy/grafana/dashboards/flash-sale-monitoring.json"
TOKEN = "a-token-of-the-test"
# How long all of it may take before what is missing is reported, in seconds.
PATIENCE = 60
# What Grafana puts in: four scrape intervals, and the range on the screen.
WINDOWS = {"$__rate_interval": "10s", "$__range": "30s"}


class Receiver(BaseHTTPRequestHandler):
    """The fulfilment service, which rejects orders of some buyers, and the receiver of events, which takes all."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(422 if self.path == "/orders" and b'"rejected' in body else 204)
        self.end_headers()

    def log_message(self, *_):
        pass


class Tests:
    """What was started, all of which is stopped in the end."""

    def __init__(self, binary, folder):
        self.binary, self.folder = binary, folder
        self.processes = []
        self.redis = None

    def start(self, name, command, **settings):
        log = open(self.folder / f"{name}.log", "wb")
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **settings})
        self.processes.append((name, process))

    def log(self, name):
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def check_alive(self):
        for name, process in self.processes:
            if process.poll() is not None:
                sys.exit(f"{name} ended with {process.returncode}:\n{self.log(name)}")

    def stop(self):
        for _, process in reversed(self.processes):
            process.terminate()
            process.wait()

    def eventually(self, about, probe):
        """Polls until the probe gives something."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            self.check_alive()
            found = probe()
            if found:
                return found
            time.sleep(0.1)
        sys.exit(f"{about}: not within {PATIENCE} s")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def parsed(body):
    """What a body says, if it is JSON."""
    return json.loads(body) if body.startswith((b"{", b"[")) else {}


def fetch(url, method="GET", body=None, **headers):
    """The status and the JSON of a response; status 0 where there is none."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json", **headers}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=10) as response:
            return response.status, parsed(response.read())
    except urllib.error.HTTPError as error:
        return error.code, parsed(error.read())
    except OSError as error:
        return 0, {"error": str(error)}


def start_postgres(tests):
    """A PostgreSQL server of the test; as another user than root, which it does not run as."""
    binaries = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))
    if not binaries:
        sys.exit("PostgreSQL is not here: install Debian's package postgresql")
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    data, port = tests.folder / "postgres", free_port()
    data.mkdir()
    if as_user:
        tests.folder.chmod(0o711)
        shutil.chown(data, "postgres")
    initdb = [*as_user, binaries[-1] / "initdb", "-D", data, "-U", "flashsale", "-A", "trust", "--no-sync"]
    subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd="/")
    options = ["-c", "fsync=off", "-h", "127.0.0.1", "-p", str(port), "-k", ""]
    tests.start("postgres", [*as_user, binaries[-1] / "postgres", "-D", data, *options])
    url = f"postgres://flashsale@127.0.0.1:{port}/flashsale?sslmode=disable"
    tests.eventually("the database", lambda: subprocess.run(
        [tests.binary, "db", "setup", "--database-url", url], capture_output=True).returncode == 0)
    return {"DATABASE_URL": url}


def start_redis(tests):
    port = tests.redis = free_port()
    tests.start("redis", ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "",
                          "--dir", tests.folder])
    return {"REDIS_URL": f"redis://127.0.0.1:{port}"}


def start_server(tests):
    """The server, with a token, a fulfilment service and the mirrors; the address that it listens on."""
    receiver = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    outside = f"http://127.0.0.1:{receiver.server_address[1]}"
    settings = {"ADMIN_TOKEN": TOKEN, "RATE_LIMIT_PER_IP": "0", "RATE_LIMIT_PER_USER": "0",
                "FULFILLMENT_URL": f"{outside}/orders", "FULFILLMENT_ALLOW_PRIVATE": "true"}
    settings |= start_postgres(tests) | start_redis(tests)
    settings |= {"EVENTS_URL": f"{outside}/events", "EVENTS_ALLOW_PRIVATE": "true"}
    data = tests.folder / "data"
    tests.start("server", [tests.binary, "serve", "--sample-data", "--port", "0", "--data-dir", data], **settings)
    listening = re.compile(r"listening +http://(\S+)")
    return tests.eventually("the server", lambda: listening.search(tests.log("server"))).group(1)


def start_prometheus(tests, server):
    """Prometheus with our configuration, but for addresses, the token's file, and how often it scrapes."""
    port, token = free_port(), tests.folder / "token"
    token.write_text(TOKEN + "\n")
    config = (ROOT / "deploy/prometheus/prometheus.yml").read_text()
    for old, new in {"app:3000": server, "localhost:9090": f"127.0.0.1:{port}", "/run/secrets/admin_token": str(token),
                     "scrape_interval: 5s": "scrape_interval: 1s", "scrape_timeout: 4s": "scrape_timeout: 1s",
                     "evaluation_interval: 5s": "evaluation_interval: 1s"}.items():
        if old not in config:
            sys.exit(f"deploy/prometheus/prometheus.yml has no {old}")
        config = config.replace(old, new)
    shutil.copytree(ROOT / "deploy/prometheus/rules", tests.folder / "rules")
    (tests.folder / "prometheus.yml").write_text(config)
    tests.start("prometheus", ["prometheus", f"--config.file={tests.folder}/prometheus.yml",
                               f"--storage.tsdb.path={tests.folder}/tsdb", f"--web.listen-address=127.0.0.1:{port}"])
    base = f"http://127.0.0.1:{port}"
    tests.eventually("Prometheus", lambda: fetch(f"{base}/-/ready")[0] == 200)
    return base


class Orders:
    """Orders of every outcome, over and over, so that nothing is at rest while it is looked at."""

    def __init__(self, server, redis):
        self.redis = redis
        self.api = f"http://{server}/api/v1"
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.place_all, daemon=True)
        self.short_hold, self.long_hold, self.plain = (self.product(hold) for hold in (1, 600, None))
        self.thread.start()

    def call(self, method, path, body=None, **headers):
        return fetch(self.api + path, method, body, authorization=f"Bearer {TOKEN}", **headers)

    def product(self, hold):
        fields = {"name": "Lamp", "initialStock": 100_000, "price": "9.99", "flashSaleActive": True}
        return self.call("POST", "/inventory", {**fields, "holdSeconds": hold})[1]["id"]

    def order(self, product, user, quantity=1, **headers):
        body = {"productId": product, "userId": user, "quantity": quantity}
        return self.call("POST", "/orders", body, **headers)[1].get("orderId")

    def place_all(self):
        confirmed = None
        while not self.stopped.wait(0.2):
            self.order(self.short_hold, "too late")
            paid = self.order(self.long_hold, "payer")
            self.call("POST", f"/orders/{paid}/confirm")
            if confirmed:
                self.call("POST", f"/orders/{confirmed}/cancel")
            confirmed = self.order(self.plain, "ada", 2)
            self.order(self.plain, "rejected")
            self.order(self.plain, "a lot", 1_000_000)
            self.order(4, "not on sale")
            self.order(999, "nobody")
            # From a peer that is not trusted.
            self.order(self.plain, "", **{"x-forwarded-for": "192.0.2.7"})
            fetch(self.api + "/orders/queue/none")
            if self.redis:
                with socket.create_connection(("127.0.0.1", self.redis)) as client:
                    client.sendall(b"GET nothing\r\nQUIT\r\n")
                    client.recv(64)

    def stop(self):
        self.stopped.set()
        self.thread.join()


def panel_expressions(dashboard, instance):
    """Where it is, the expression, the labels that its legend names, and whether one series is all that it may give."""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            legend = target["legendFormat"]
            labels = set(re.findall(r"{{ *(\w+) *}}", legend))
            yield f"panel {panel['title']}", fill(target["expr"], instance), labels, not labels
    for annotation in dashboard["annotations"]["list"]:
        labels = set(re.findall(r"{{ *(\w+) *}}", annotation["titleFormat"] + annotation["textFormat"]))
        # Whether or not it is so at the moment.
        yield f"annotation {annotation['name']}", always(fill(annotation["target"]["expr"], instance)), labels, False


def fill(expression, instance):
    expression = expression.replace("$instance", instance)
    for variable, window in WINDOWS.items():
        expression = expression.replace(variable, window)
    return expression


def always(expression):
    """The expression of a condition, so that it gives 0 where it does not hold, and not nothing."""
    return re.sub(r" (==|!=|<=|>=|<|>) (?=[\d.]+$)", r" \1 bool ", expression)


def rule_expressions(prometheus):
    for group in fetch(f"{prometheus}/api/v1/rules")[1]["data"]["groups"]:
        for rule in group["rules"]:
            if rule["type"] == "recording":
                yield f"rule {rule['name']}", rule["name"], {"instance"}, False
            else:
                text = " ".join(rule["annotations"].values())
                labels = set(re.findall(r"\$labels\.(\w+)", text))
                yield f"alert {rule['name']}", always(rule["query"]), labels, False


def complaint(prometheus, expression, labels, single):
    """What is wrong with the result of an expression, if something is."""
    query = urllib.parse.urlencode({"query": expression})
    status, reply = fetch(f"{prometheus}/api/v1/query?{query}")
    if status != 200:
        return reply.get("error", f"status {status}")
    series = reply["data"]["result"]
    values = [float(one["value"][1]) for one in series]
    if not any(abs(value) < float("inf") for value in values):
        return f"no figures: {series}" if series else "no data"
    missing = {label for label in labels if not all(one["metric"].get(label) for one in series)}
    if missing:
        return f"no label {', '.join(sorted(missing))} in {series[0]['metric']}"
    if single and len(series) > 1:
        return f"{len(series)} series under one name: {[one['metric'] for one in series[:3]]}"
    return None


def main(binary, folder):
    tests = Tests(binary, folder)
    try:
        server = start_server(tests)
        prometheus = start_prometheus(tests, server)
        orders = Orders(server, tests.redis)
        rules = tests.eventually("the rules", lambda: list(rule_expressions(prometheus)))
        panels = list(panel_expressions(json.loads(DASHBOARD.read_text()), server))
        every = [*rules, *panels]
        open_ones = every
        until = time.monotonic() + PATIENCE
        while open_ones and time.monotonic() < until:
            tests.check_alive()
            complaints = [(one, complaint(prometheus, *one[1:])) for one in open_ones]
            complaints = [(one, about) for one, about in complaints if about]
            open_ones = [one for one, _ in complaints]
            time.sleep(0.2)
        orders.stop()
        for (where, expression, _, _), about in complaints if open_ones else []:
            print(f"{where}: {about}\n    {expression}")
        unhealthy = [rule for group in fetch(f"{prometheus}/api/v1/rules")[1]["data"]["groups"]
                     for rule in group["rules"] if rule["health"] != "ok"]
        for rule in unhealthy:
            print(f"rule {rule['name']}: {rule.get('lastError')}")
        print(f"{len(every) - len(open_ones)} of {len(every)} expressions give figures from a live server")
        return 1 if open_ones or unhealthy else 0
    finally:
        tests.stop()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        sys.exit(main(os.path.realpath(sys.argv[1]), pathlib.Path(temporary)))
