"""Compares the files of deploy/ and its pages with what they name: settings, ports, paths, units, metrics, alerts.

Usage: files.py BINARY. Prints what is wrong, and exits with 1 if something is.
"""

import itertools
import json
import os
import pathlib
import re
import subprocess
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
# What is not a setting of the server: of the backup, of the file for Compose, of systemd and of the shell.
OTHER_VARIABLES = {"BACKUP_DIR", "BACKUP_KEEP", "BACKUP_SERVER", "GRAFANA_PASSWORD", "APP_ADDRESS", "PATH"}
# What no Compose file may forget: the port of this machine by that of the service.
PORTS = {"app": ("3001", "3000"), "grafana": ("3000", "3000"), "prometheus": ("9090", "9090")}

# Conditions of the server whose rule is about a metric of their own, which says more.
OWN_METRIC = {"mirror_away": "FlashSaleMirrorDown", "mirror_behind": "FlashSaleMirrorBehind"}

problems = []


def expect(holds, problem):
    if not holds:
        problems.append(problem)


def text(path):
    return (ROOT / path).read_text()


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True, env={"COLUMNS": "200"}).stdout


def check_settings(binary):
    """Each variable that a file sets is one of `serve`."""
    settings = set(re.findall(r"\[env: (\w+)", output(binary, "serve", "--help"))) | OTHER_VARIABLES
    named = {}
    for path in ["deploy/Dockerfile", *(f"deploy/systemd/{unit.name}" for unit in DEPLOY.glob("systemd/*.service"))]:
        named[path] = re.findall(r"^(?:ENV|Environment=) ?.*", text(path), re.M)
        named[path] = re.findall(r"\b([A-Z][A-Z_]+)=", "\n".join(named[path]))
    named["deploy/debian/env"] = re.findall(r"^#?([A-Z_]+)=", text("deploy/debian/env"), re.M)
    compose = yaml.safe_load(text("deploy/docker-compose.yml"))
    named["deploy/docker-compose.yml"] = [*compose["services"]["app"]["environment"],
                                          *re.findall(r"[^$]\${([A-Z_]+)", text("deploy/docker-compose.yml"))]
    for page in ["deploy/README.md", "docs/PRODUCTION.md", "docs/RUNBOOK.md", "deploy/nginx/flashsale.conf",
                 "deploy/caddy/Caddyfile", "deploy/prometheus/rules/alerts.yml"]:
        # Of two words: MAX_CONNECTIONS, and not TLS. In units, systemd's are of another form.
        named[page] = re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", text(page))
    for path, names in named.items():
        for name in sorted(set(names) - settings):
            # `ALERT_` and `ALERT_…` stand for all of these.
            known = any(setting.startswith(name + "_") for setting in settings)
            expect(known, f"{path}: {name} is not a setting")


def check_compose():
    compose = yaml.safe_load(text("deploy/docker-compose.yml"))
    services = compose["services"]
    expect(set(services) == {"app", "postgres", "redis", "prometheus", "grafana"}, f"compose has {set(services)}")
    dockerfile = text("deploy/Dockerfile")
    for name, service in services.items():
        where = f"compose, {name}"
        healthy = "healthcheck" in service or ("build" in service and "HEALTHCHECK" in dockerfile)
        expect(healthy, f"{where}: no health check")
        expect("restart" in service, f"{where}: no restart")
        for other, condition in service.get("depends_on", {}).items():
            expect(other in services, f"{where}: depends on {other}, which is not a service")
            expect(condition["condition"] in ("service_started", "service_healthy"), f"{where}: {condition}")
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            there = (DEPLOY / source).exists() if source.startswith(".") else source in compose["volumes"]
            expect(there, f"{where}: {source} is not there")
        for secret in service.get("secrets", []):
            expect(secret in compose["secrets"], f"{where}: no secret {secret}")
        for path in re.findall(r"/run/secrets/(\w+)", json.dumps(service)):
            expect(path in service["secrets"], f"{where}: has no secret {path}")
        published = [tuple(port.rsplit(":", 2)[1:]) for port in service.get("ports", [])]
        expect(published == ([PORTS[name]] if name in PORTS else []), f"{where}: ports {published}")
    used = {volume.split(":")[0] for service in services.values() for volume in service.get("volumes", [])}
    expect(set(compose["volumes"]) <= used, f"compose: unused volumes {set(compose['volumes']) - used}")
    build = services["app"]["build"]
    context = (DEPLOY / build["context"]).resolve()
    expect(context == ROOT and (context / build["dockerfile"]).exists(), f"compose: {build}")
    for other in ("postgres", "redis"):
        host = services["app"]["environment"][{"postgres": "DATABASE_HOST", "redis": "REDIS_HOST"}[other]]
        expect(host == other, f"compose: the application looks for {other} at {host}")
    for secret in compose["secrets"].values():
        path = (DEPLOY / secret["file"]).relative_to(ROOT)
        expect(str(path) in text("deploy/README.md"), f"deploy/README.md does not say how to make {path}")
        ignored = subprocess.run(["git", "check-ignore", "-q", str(path)], cwd=ROOT).returncode == 0
        expect(ignored, f"{path} would be committed")


def check_dockerfile(binary):
    dockerfile = text("deploy/Dockerfile")
    stages = re.findall(r"^FROM .* AS (\w+)", dockerfile, re.M)
    for stage in re.findall(r"--from=(\w+)", dockerfile):
        expect(stage in stages, f"Dockerfile: no stage {stage}")
    expect("USER 10001" in dockerfile.split("FROM")[-1], "Dockerfile: it runs as root")
    commands = set(re.findall(r"^  ([a-z-]+) ", output(binary, "--help"), re.M))
    for command in re.findall(r'^(?:HEALTHCHECK.*"flashsale", |CMD \[)"([a-z]+)"', dockerfile, re.M):
        expect(command in commands, f"Dockerfile: flashsale has no command {command}")
    for line in (f"EXPOSE {PORTS['app'][1]}", f"PORT={PORTS['app'][1]}"):
        expect(line in dockerfile, f"Dockerfile: no {line}")
    # What is left out of the build is not part of a clone, so that a build has what a clone has.
    for line in text(".dockerignore").splitlines():
        if line and not line.startswith("#"):
            tracked = output("git", "-C", str(ROOT), "ls-files", f":(glob){line}", f":(glob){line}/**")
            expect(not tracked, f".dockerignore: {line} leaves out files of the repository")


def check_package(binary):
    """What the Debian package installs is there, and units name what it installs."""
    manifest = text("Cargo.toml")
    assets = re.findall(r'^    \["([^"]+)", "([^"]+)", "\d+"\]', manifest, re.M)
    installed = {"/" + (to + pathlib.Path(source).name if to.endswith("/") else to) for source, to in assets}
    installed |= {"/usr/share/doc/flashsale/" + page.name for page in ROOT.glob("docs/*.md")}
    for source, _ in assets:
        expect(source.startswith("target/") or list(ROOT.glob(source)), f"Cargo.toml: {source} is not there")
    commands = set(re.findall(r"^  ([a-z-]+) ", output(binary, "--help"), re.M))
    for unit in DEPLOY.glob("systemd/*.service"):
        for path in re.findall(r"^(?:ExecStart=|EnvironmentFile=-|Documentation=file://)(\S+)", unit.read_text(), re.M):
            expect(path in installed, f"{unit.name}: the package installs no {path}")
        for command in re.findall(r"^ExecStart=/usr/bin/flashsale (\w+)", unit.read_text(), re.M):
            expect(command in commands, f"{unit.name}: flashsale has no command {command}")
        for credential in re.findall(rf"/run/credentials/{unit.name}/(\w+)", unit.read_text()):
            expect(f"LoadCredential={credential}:" in unit.read_text(), f"{unit.name}: no credential {credential}")
        for other in re.findall(r"/run/credentials/([\w.-]+)/", unit.read_text()):
            expect(other == unit.name, f"{unit.name}: names the credentials of {other}")


def check_pages(binary):
    """Each command of ours in the pages is one that the binary takes, options included."""
    for page in ["deploy/README.md", "docs/PRODUCTION.md", "docs/RUNBOOK.md"]:
        joined = re.sub(r"\\\n +", "", text(page))
        lines = re.findall(r"^\$ (.*)", joined, re.M)
        lines += re.findall(r"`(flashsale [a-z][^`]*)`", joined.replace("\n", " "))
        for line in lines:
            command = line.split("  #")[0].replace("-u flashsale ", "")
            for words in re.findall(r"(?:^|\s)flashsale ([a-z][^#&|]*)", command):
                run = subprocess.run([binary, *words.split(), "--help"], capture_output=True, text=True)
                service = "systemctl" in line or "enable" in line
                expect(run.returncode == 0 or service, f"{page}: {line}: {run.stderr.splitlines()[:1]}")
        for target in re.findall(r"\]\(([^)#:]+)(?:#[\w-]+)?\)", joined):
            expect(((ROOT / page).parent / target).exists(), f"{page}: {target} is not there")
        for path in re.findall(r"(?<![\w/])deploy/[\w./-]+\w", joined):
            expect((ROOT / path).exists() or path.startswith("deploy/secrets"), f"{page}: {path} is not there")


def grid_cells(panel):
    position = panel["gridPos"]
    rows, columns = (range(position[start], position[start] + position[length]) for start, length in ("yh", "xw"))
    return itertools.product(rows, columns)


def check_grafana():
    path = next(DEPLOY.glob("grafana/dashboards/*.json"))
    dashboard = json.loads(path.read_text())
    slug = re.sub(r"[^a-z0-9]+", "-", dashboard["title"].lower())
    url = f"/d/{dashboard['uid']}/{slug}"
    expect(url == "/d/flash-sale/flash-sale-monitoring" and path.stem == slug, f"the dashboard is at {url}")
    expect(url in text("deploy/README.md"), f"deploy/README.md does not name {url}")
    source = yaml.safe_load(text("deploy/grafana/provisioning/datasources/prometheus.yml"))["datasources"][0]
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    expect(variables["datasource"]["current"]["value"] == source["uid"], "the dashboard: its data source")
    expect(source["url"] == "http://prometheus:9090", f"the data source is at {source['url']}")
    scrape = re.search(r"scrape_interval: (\w+)", text("deploy/prometheus/prometheus.yml")).group(1)
    expect(source["jsonData"]["timeInterval"] == scrape, f"the data source is not scraped every {scrape}")
    provider = yaml.safe_load(text("deploy/grafana/provisioning/dashboards/flash-sale.yml"))["providers"][0]
    mount = f"./grafana/dashboards:{provider['options']['path']}:ro"
    expect(mount in text("deploy/docker-compose.yml"), f"compose: no volume {mount}")
    panels = dashboard["panels"]
    expect(len({panel["id"] for panel in panels}) == len(panels), "two panels have one id")
    taken = {}
    for panel in panels:
        title = panel["title"]
        for cell in grid_cells(panel):
            free = cell not in taken and cell[1] < 24
            expect(free, f"panel {title} overlaps {taken.get(cell, 'the edge')} at {cell}")
            taken[cell] = title
        if panel["type"] == "row":
            continue
        expect(panel.get("description"), f"panel {title} has no description")
        targets = panel.get("targets", [])
        expect(targets or panel["type"] == "alertlist", f"panel {title} shows nothing")
        expect(len({target["refId"] for target in targets}) == len(targets), f"panel {title}: one refId twice")
        if targets and panel["type"] != "heatmap":
            expect("unit" in panel["fieldConfig"]["defaults"], f"panel {title} has no unit")
    for uid in re.findall(r'"uid": "([^"]+)"', path.read_text().split('"annotations"')[1]):
        expect(uid == "${datasource}", f"the dashboard names the data source {uid}")
    for variable in re.findall(r"\$(?!__)\{?(\w+)", path.read_text()):
        expect(variable in variables, f"the dashboard has no variable {variable}")
    expressions = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    return expressions + [annotation["target"]["expr"] for annotation in dashboard["annotations"]["list"]]


def check_rules():
    expressions, alerts, records = [], {}, set()
    for path in DEPLOY.glob("prometheus/rules/*.yml"):
        for rule in itertools.chain(*(group["rules"] for group in yaml.safe_load(path.read_text())["groups"])):
            expressions.append(rule["expr"])
            if "alert" in rule:
                alerts[rule["alert"]] = rule
            else:
                records.add(rule["record"])
    tests = "".join(path.read_text() for path in DEPLOY.glob("prometheus/tests/*.yml"))
    runbook = text("docs/RUNBOOK.md")
    sections = re.findall(r"^## (\w+)$", runbook, re.M)
    for name, rule in alerts.items():
        expect(rule["labels"].get("severity") in ("warning", "critical"), f"{name}: its severity")
        annotations = rule["annotations"]
        expect({"summary", "description", "action", "runbook"} <= set(annotations), f"{name}: {set(annotations)}")
        expect(annotations["runbook"] == f"docs/RUNBOOK.md#{name.lower()}", f"{name}: its runbook")
        expect(name in sections, f"docs/RUNBOOK.md has no section {name}")
        expect(f'"{name}"' in tests, f"{name} has no test")
    for name in set(sections) - set(alerts):
        expect(name == "Silencing", f"docs/RUNBOOK.md: {name} is not an alert")
    # What the server raises itself, but for what is only good to know, is an alert of the same severity.
    for code, severity in re.findall(r'= "(\w+)", (Info|Warning|Critical),', text("src/domain/alert.rs")):
        severities = [rule["labels"]["severity"] for name, rule in alerts.items()
                      if f'code="{code}"' in rule["expr"] or OWN_METRIC.get(code) == name]
        expect(severities == ([] if severity == "Info" else [severity.lower()]), f"the condition {code}: {severities}")
    for name in records:
        expect(name in tests, f"{name} has no test")
    return expressions, records


def check_metrics(expressions, records):
    documented = set(re.findall(r"`((?:flash_sale|process)_\w+)", text("docs/METRICS.md")))
    for expression in expressions:
        for name in re.findall(r"[\w:]+:flash_sale\w+:\w+|\b(?:flash_sale|process)_\w+", expression):
            base = re.sub(r"_(bucket|sum|count)$", "", name)
            known = name in records or {name, base} & documented
            expect(known, f"{name} is neither in docs/METRICS.md nor recorded: {expression}")


def main(binary):
    check_settings(binary)
    check_compose()
    check_dockerfile(binary)
    check_package(binary)
    check_pages(binary)
    expressions = check_grafana()
    more, records = check_rules()
    check_metrics(expressions + more, records)
    print("\n".join(dict.fromkeys(problems)))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(os.path.realpath(sys.argv[1])))
