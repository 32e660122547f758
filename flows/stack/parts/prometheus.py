"""Prometheus: asks the service for its measures, keeps them, and judges them by ``infra/prometheus/rules.yml``."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from components.api_keys import digest, make_key, read_keys, remove_key
from components.files import write_bytes, write_text
from flows.ports import LOOPBACK
from flows.stack.health import answers
from flows.stack.part import Part, Port
from flows.stack.parts import deployments
from flows.stack.site import Site, reached

NAME = "prometheus"
RULES = Path("infra/prometheus/rules.yml")
KEY = "stack-prometheus"
"""What its API key is called, where the service wants one."""


def part(site: Site) -> Part:
    """Prometheus."""
    port, configuration = site.stack.prometheus_port, site.home / "stack" / "prometheus.yml"
    address = f"http://{LOOPBACK}:{port}"
    options = {
        "config.file": configuration,
        "storage.tsdb.path": site.home / NAME,
        "web.listen-address": f"{LOOPBACK}:{port}",
        "log.level": "warn",
    }
    return Part(
        name=NAME,
        about="measures, rules and alerts",
        command=(NAME, *(f"--{name}={value}" for name, value in options.items())),
        healthy=answers(f"{address}/-/ready"),
        address=address,
        ports=(Port(LOOPBACK, port, "TUNESMITH_STACK_PROMETHEUS_PORT"),),
        missing=_missing,
        prepare=lambda: write_text(configuration, json.dumps(_configuration(site), indent=2)),  # JSON is YAML
    )


def _missing() -> list[str]:
    faults = []
    if shutil.which(NAME) is None:
        faults.append("prometheus is not on the PATH: apt-get install prometheus")
    if not RULES.exists():
        faults.append(f"{RULES.resolve()} is not there: git checkout {RULES}")
    return faults


def _configuration(site: Site) -> dict[str, Any]:
    service: dict[str, Any] = {
        "job_name": "tunesmith",
        "static_configs": [{"targets": [f"{reached(site.settings.host)}:{site.settings.port}"]}],
    }
    if key := _key(site):
        service["authorization"] = {"credentials_file": str(key)}
    itself = {"job_name": NAME, "static_configs": [{"targets": [f"{LOOPBACK}:{site.stack.prometheus_port}"]}]}
    return {
        "global": {"scrape_interval": "15s", "evaluation_interval": "15s"},
        "rule_files": [str(RULES.resolve())],
        "scrape_configs": [service, *_flows(site), itself],
    } | _alerting(site)


def _flows(site: Site) -> list[dict[str, Any]]:
    """How it asks the process of the flows, where there is one."""
    if deployments.NAME not in site.names:
        return []
    address = f"{reached(site.settings.flows_host)}:{site.stack.flows_port}"
    return [{"job_name": "tunesmith-flows", "static_configs": [{"targets": [address]}]}]


def _alerting(site: Site) -> dict[str, Any]:
    """Who is told of alerts, where somebody is."""
    if not site.stack.alertmanager:
        return {}
    return {"alerting": {"alertmanagers": [{"static_configs": [{"targets": [site.stack.alertmanager]}]}]}}


def _key(site: Site) -> Path | None:
    """The file of its API key; None: the service wants none, and a first one would shut everybody else out."""
    folder, file = site.settings.key_folder, site.keys / "prometheus.key"
    if not site.settings.keys_are_required and not os.path.lexists(folder):
        return None
    known = {key.name: key.sha256 for key in read_keys(folder)}
    if not file.exists() or known.get(KEY) != digest(file.read_text(encoding="utf-8")):
        if KEY in known:
            remove_key(folder, KEY)
        write_bytes(file, make_key(folder, KEY, "admin").encode(), mode=0o600)
    return file
