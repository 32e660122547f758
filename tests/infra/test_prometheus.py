"""The rules of Prometheus: read and judged by its own tool, and about metrics that the server has."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from serving.metrics import Metrics
from tests.places import REPOSITORY

FOLDER = REPOSITORY / "infra" / "prometheus"
SUFFIXES = re.compile(r"_(total|bucket|sum|count)$")


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not here: apt-get install prometheus")
@pytest.mark.parametrize("asked", [("check", "rules.yml"), ("test", "rules_test.yml")], ids=lambda asked: asked[0])
def test_the_rules_hold(asked: tuple[str, str]) -> None:
    verb, file = asked
    done = subprocess.run(["promtool", verb, "rules", FOLDER / file], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_rules_are_about_metrics_that_the_server_has(tmp_path: Path) -> None:
    text = (FOLDER / "rules.yml").read_text()
    recorded = set(re.findall(r"record: (\S+)", text))
    named = {name for name in re.findall(r"tunesmith[a-z_:0-9]+", text) if name not in recorded}
    known = {family.name for family in Metrics()._registry.collect()}
    assert named
    assert {name for name in named if SUFFIXES.sub("", name) not in known} == set()
