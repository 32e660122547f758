"""What Prometheus hears of the flows, asked as it asks."""

import socket
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from components.errors import SettingsError
from components.settings import Settings
from flows.measures import serve_measures
from flows.ports import LOOPBACK, free_port
from tests.flow_measures import AT, MODEL, keep_ending, keep_window

Key = tuple[str, str]


def heard(port: int) -> dict[Key, float]:
    """Every measure, by its name and the label that it has beside the model."""
    text = httpx.get(f"http://{LOOPBACK}:{port}/metrics").raise_for_status().text
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            assert sample.labels.pop("model") == MODEL
            found[sample.name.removeprefix("tunesmith_"), "".join(sample.labels.values())] = sample.value
    return found


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, flows_port=free_port(), monitor_seconds=60)


def test_what_has_happened_is_told_as_it_happens(settings: Settings) -> None:
    serve_measures(settings, MODEL)
    port = settings.flows_port
    assert port is not None
    assert {name for name, _ in heard(port)} == {"flows_began_seconds", "monitor_interval_seconds"}
    assert heard(port)["monitor_interval_seconds", ""] == 60

    keep_ending(settings, "retrain", why="validate: a class is gone.", completed=None)
    keep_ending(settings, "monitor")
    keep_window(settings, AT, "inputs", "quality")
    told = heard(port)
    assert (told["flow_failed", "retrain"], told["flow_failed", "monitor"]) == (1, 0)
    assert told["flow_ended_seconds", "retrain"] == told["flow_completed_seconds", "monitor"] == AT.timestamp()
    assert ("flow_completed_seconds", "retrain") not in told, "it has never ended well"
    assert told["monitor_window_seconds", ""] == AT.timestamp()
    assert {kind for (name, kind), value in told.items() if name == "monitor_alarm" and value} == {"inputs", "quality"}

    keep_window(settings, AT + timedelta(hours=1))
    assert heard(port)["monitor_alarm", "inputs"] == 0, "the last window counts"
    (settings.home / "monitor" / MODEL / "windows" / "20990101T000000.000000Z.json").write_text("{}")
    assert "monitor_alarm" not in {name for name, _ in heard(port)}, "nobody knows, and nothing is claimed"
    assert heard(port)["flow_failed", "retrain"] == 1


def test_a_port_that_is_taken_is_a_sentence_and_none_is_none(settings: Settings) -> None:
    serve_measures(settings.model_copy(update={"flows_port": None}), MODEL)
    with socket.socket() as taken:
        taken.bind((LOOPBACK, settings.flows_port))
        taken.listen()
        with pytest.raises(SettingsError, match=rf"{LOOPBACK}:{settings.flows_port} .*TUNESMITH_FLOWS_PORT"):
            serve_measures(settings, MODEL)
