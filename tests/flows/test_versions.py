"""What a promotion tells of the shadow before it moves the alias: by a person, by the gate, in the flow."""

import contextlib
import json
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from components.gate import Check, GateDecision
from components.promote import history
from components.rolling import RollingParquet
from components.settings import Settings
from components.shadow import shadow_columns, shadow_folder
from flows.versions import promote_by_gate, promote_by_hand
from tests.flows.toy import environment
from tests.places import REPOSITORY
from tests.prefect_server import give_database
from tests.shelf import NAME, Shelf

TOLD = (
    "In the shadow of version 1, version 2 answered 4 samples: 75.0% alike, mean confidence 0.800 (champion 0.900), "
    "median inference 2.00 ms (champion 1.00 ms). Most often: bag → shirt 1 times."
)
STEP = """
import sys
from components.gate import GateDecision
from components.settings import export_environment, load_settings
from flows.orchestrator import prefect_server

settings = load_settings()
export_environment(settings)
with prefect_server(settings):
    from flows.retrain import promote_version

    promote_version(GateDecision.model_validate_json(sys.argv[1]))
"""


@pytest.fixture
def settings(shelf: Shelf) -> Settings:
    """Version 1 is champion, version 2 its challenger."""
    shelf.promote(shelf.publish(0.0))
    shelf.publish(3.0)
    return shelf.settings


@pytest.fixture
def shadowed(shelf: Shelf, settings: Settings) -> Settings:
    """The same, and version 2 has answered in the shadow."""
    moment = datetime.now(UTC)
    champion, challenger = (shelf.registry.version(number).digest for number in (1, 2))
    row: dict[str, object] = {"champion_package": champion, "challenger_package": challenger}
    row |= {"time": moment, "champion": 1, "challenger": 2, "champion_ms": 1.0, "challenger_ms": 2.0}
    row |= {"champion_confidence": 0.9, "challenger_confidence": 0.8, "champion_label": "bag"}
    alike = [{**row, "challenger_label": "bag", "agrees": True}] * 3
    table = pa.Table.from_pylist([*alike, {**row, "challenger_label": "shirt", "agrees": False}], shadow_columns())
    RollingParquet(shadow_folder(settings, NAME), days=None).write(table, moment)
    return settings


def decision() -> GateDecision:
    check = Check(name="score", passed=True, figures={"challenger": 0.9}, sentence="It is better.")
    return GateDecision(name=NAME, version=2, champion=1, passed=True, checks=(check,))


def test_the_shadow_is_told_before_the_gate_promotes(shelf: Shelf, shadowed: Settings) -> None:
    told: list[tuple[str, int | None]] = []
    moved = promote_by_gate(shadowed, decision(), lambda said: told.append((said, shelf.registry.champion())))
    assert told == [(TOLD, 1)], "version 1 is the champion still"
    assert shelf.registry.champion() == 2
    assert moved.reason == history(shadowed, NAME)[-1].reason == f"{decision().sentence()} {TOLD}"
    assert history(shadowed, NAME)[-1].figures == decision().figures()


def test_without_a_comparison_the_gate_promotes_without_a_word_of_it(settings: Settings) -> None:
    told: list[str] = []
    assert promote_by_gate(settings, decision(), told.append).reason == decision().sentence()
    assert told == []


def test_a_person_who_promotes_is_told_too(shadowed: Settings) -> None:
    told: list[str] = []
    assert promote_by_hand(shadowed, NAME, 2, "it is better", told.append).reason == "it is better"
    assert told == [TOLD]


@pytest.mark.slow
def test_the_step_of_the_flow_keeps_it_as_its_artifact(shadowed: Settings, prefect_database: Path) -> None:
    give_database(prefect_database, shadowed.home / "prefect")
    command = [sys.executable, "-c", STEP, decision().model_dump_json()]
    variables = environment(TUNESMITH_HOME=str(shadowed.home), PYTHONPATH=str(REPOSITORY))
    done = subprocess.run(command, env=variables, cwd=shadowed.home, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert TOLD in history(shadowed, NAME)[-1].reason
    with contextlib.closing(sqlite3.connect(shadowed.home / "prefect/prefect.db")) as database:
        kept = dict(database.execute("select key, data from artifact").fetchall())
    assert TOLD in json.loads(kept["promote"])
