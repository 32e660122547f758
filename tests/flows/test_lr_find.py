"""``tunesmith lr-find`` on the digits, as a person and as a script call it."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from components.contracts import PREPARED
from components.train.lr_finder import Point, RangeTest
from flows.lr_find import NUMBERS, PICTURE, draw, sentence
from tests.components.trainings import SMALL_MLP, make_workspace
from tests.flows.toy import environment, tunesmith

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    """A workspace of the digits and a small perceptron."""
    return make_workspace(tmp_path / "work", network=SMALL_MLP)


def texts(picture: bytes) -> set[str]:
    return {"".join(element.itertext()) for element in ET.fromstring(picture).iter(f"{SVG}text")}  # noqa: S314


def test_a_person_gets_a_sentence_and_a_picture(digits: Path) -> None:
    done = tunesmith(digits, "lr-find", TUNESMITH_THREADS="1")
    assert done.returncode == 0, done.stderr
    found = RangeTest.read(digits / NUMBERS)
    assert done.stdout == sentence(found) + "\n"
    assert "reports/lr_find/curve.svg" in done.stdout
    assert f"Set learning_rate: {found.suggestion:.2g} in train.optimizer" in done.stdout
    assert done.stderr == ""
    assert (digits / PICTURE).read_bytes() == draw(found)
    assert not (digits / "models").exists()
    assert not (digits / ".tunesmith/mlflow.db").exists()
    assert not (digits / ".tunesmith/checkpoints").exists()


def test_a_script_gets_json_and_nothing_else(digits: Path) -> None:
    done = tunesmith(digits, "lr-find", "--json", TUNESMITH_THREADS="1")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert RangeTest.model_validate(json.loads(done.stdout)) == RangeTest.read(digits / NUMBERS)


SLOW = """
import threading
from components.settings import Settings, export_environment
export_environment(Settings())
timer = threading.Timer
threading.Timer = lambda seconds, say: timer(0, say)
import matplotlib.font_manager
"""


def test_a_slow_machine_is_no_news(tmp_path: Path) -> None:
    """The fonts are listed anew for each home folder; here the limit of Matplotlib's patience has passed at once."""
    done = subprocess.run(
        [sys.executable, "-c", SLOW], cwd=tmp_path, env=environment(), check=True, capture_output=True, text=True
    )
    assert list((tmp_path / ".tunesmith/matplotlib").glob("fontlist-*")), "they were listed"
    assert done.stderr == ""


def test_missing_data_is_a_sentence(digits: Path) -> None:
    (digits / PREPARED / "train/inputs.npy").unlink()
    done = tunesmith(digits, "lr-find")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"Not found in {digits}: data/prepared/train/inputs.npy. `dvc repro augment`")
    assert "Traceback" not in done.stderr
    assert not (digits / "reports").exists()


def test_the_picture_names_its_axes_and_rates() -> None:
    points = tuple(Point(rate=10.0**power, loss=2.0 + power) for power in range(-7, 2))
    picture = draw(RangeTest(points=points, steepest=0.01, suggestion=0.003, current=0.25))
    assert {"learning rate", "smoothed training loss", "1e-03", "1e+00"} <= texts(picture)
    assert {"suggestion: 0.003", "steepest: 0.01", "params.yaml: 0.25"} <= texts(picture)
    assert picture == draw(RangeTest(points=points, steepest=0.01, suggestion=0.003, current=0.25))
