"""The rules of Prometheus: read and judged by its own tool, and about what the server and the flows measure."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from components.params import load_params
from components.settings import Settings
from flows.stack.parts import prometheus
from serving.metrics import Metrics
from tests.flow_measures import flow_measures
from tests.flows.stacks import site
from tests.places import REPOSITORY

FOLDER = REPOSITORY / "infra" / "prometheus"
SUFFIXES = re.compile(r"_(total|bucket|sum|count)$")


@pytest.fixture
def promtool() -> str:
    if (found := shutil.which("promtool")) is None:
        pytest.skip("promtool is not here: apt-get install prometheus")
    return found


@pytest.mark.parametrize(
    "asked",
    [("check", "rules", "rules.yml"), ("test", "rules", "rules_test.yml"), ("test", "rules", "rules_age_test.yml")],
    ids=" ".join,
)
def test_the_rules_hold(promtool: str, asked: tuple[str, ...]) -> None:
    done = subprocess.run([promtool, *asked], cwd=FOLDER, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_configuration_of_the_container_holds(promtool: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("ts_")
    shutil.copy(FOLDER / "rules.yml", tmp_path)
    text = (FOLDER / "prometheus.yml").read_text()
    (tmp_path / "prometheus.yml").write_text(text.replace("/run/secrets/prometheus-key", str(tmp_path / "key")))
    done = subprocess.run([promtool, "check", "config", tmp_path / "prometheus.yml"], check=False, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    of_up = prometheus._configuration(site(tmp_path, "deployments"))
    read = YAML(typ="safe").load(text)
    assert read["global"] == of_up["global"]
    assert [job["job_name"] for job in read["scrape_configs"]] == [job["job_name"] for job in of_up["scrape_configs"]]


def test_limits_are_those_of_params_and_settings() -> None:
    alerts = {rule["alert"]: rule["expr"] for rule in rules() if "alert" in rule}
    service = load_params().monitor.service
    assert f"ratio_rate5m > {service.max_error_share:g}" in alerts["TunesmithErrors"]
    assert alerts["TunesmithSlow"].endswith(f" > {service.max_p99_ms / 1000:g}")
    queue = next(rule["expr"] for rule in rules() if rule.get("record") == "tunesmith:queue:ratio")
    assert f"({Settings.model_fields['max_queue'].default} *" in queue


def rules() -> list[dict[str, str]]:
    return [rule for group in YAML(typ="safe").load(FOLDER / "rules.yml")["groups"] for rule in group["rules"]]


def test_rules_are_about_what_is_measured(tmp_path: Path) -> None:
    text = (FOLDER / "rules.yml").read_text()
    recorded = set(re.findall(r"record: (\S+)", text))
    named = {name for name in re.findall(r"tunesmith[a-z_:0-9]+", text) if name not in recorded}
    known = {family.name for family in Metrics()._registry.collect()} | set(flow_measures(tmp_path))
    assert named
    assert {name for name in named if SUFFIXES.sub("", name) not in known} == set()
