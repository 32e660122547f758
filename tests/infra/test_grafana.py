"""The dashboard: every query is PromQL about measures that the server has, by labels that those have."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from prometheus_client import Metric
from ruamel.yaml import YAML

from serving.metrics import Metrics
from tests.flow_measures import flow_measures
from tests.places import REPOSITORY

DASHBOARD = json.loads((REPOSITORY / "infra" / "grafana" / "dashboards" / "tunesmith.json").read_text())
QUERIES = [
    pytest.param(target["expr"], id=f"{panel['title']} {target['refId']}")
    for panel in DASHBOARD["panels"]
    for target in panel["targets"]
]
RULES = YAML(typ="safe").load(REPOSITORY / "infra" / "prometheus" / "rules.yml")["groups"]
RECORDED = {rule["record"] for group in RULES for rule in group["rules"] if "record" in rule}
ALERTS = {rule["alert"] for group in RULES for rule in group["rules"] if "alert" in rule}
OF_PROMETHEUS = {"job", "instance", "alertname", "alertstate"}


def measures() -> dict[str, set[str]]:
    """The names of what the server measures, as a query knows them, with the labels of each."""
    metrics = Metrics()
    parts = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]}
    families: list[Metric] = list(metrics._registry.collect())
    labels = {
        metric._name: set(metric._labelnames) for metric in vars(metrics).values() if hasattr(metric, "_labelnames")
    }
    return {
        family.name + part: labels[family.name] | ({"le"} if part == "_bucket" else set())
        for family in families
        for part in parts[family.type]
    }


@pytest.mark.parametrize("query", QUERIES)
def test_queries_are_about_what_is_measured(query: str, tmp_path: Path) -> None:
    known = (
        measures()
        | flow_measures(tmp_path)
        | {"tunesmith_model_version": {"pid"}}
        | {name: set() for name in RECORDED}
        | {"ALERTS": set()}
    )
    asked = re.findall(r"(tunesmith[a-z_:0-9]+|ALERTS)\{([^}]*)\}", query)
    assert {name for name, _ in asked} == set(re.findall(r"tunesmith[a-z_:0-9]+|\bALERTS\b", query))
    labels = set().union(*(known[name] for name, _ in asked)) | OF_PROMETHEUS
    matched = {label for _, selector in asked for label in re.findall(r"(\w+)=", selector)}
    grouped = {label for group in re.findall(r"(?:by|ignoring) \(([^)]*)\)", query) for label in group.split(", ")}
    assert matched | grouped <= labels


def test_promtool_reads_every_query(tmp_path: Path) -> None:
    if (promtool := shutil.which("promtool")) is None:
        pytest.skip("promtool is not here: apt-get install prometheus")
    queries = [str(query.values[0]).replace("$job", "tunesmith") for query in QUERIES]
    rules = [{"record": f"dashboard:{number}", "expr": query} for number, query in enumerate(queries)]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = subprocess.run([promtool, "check", "rules", tmp_path / "rules.yml"], check=False, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(queries)} rules found".encode() in done.stdout


def test_panels_lie_beside_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert taken.isdisjoint(cells), panel["title"]
        assert max(x for x, _ in cells) < 24, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
