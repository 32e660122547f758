"""Quotas of a day: counted by all workers together, and over restarts."""

import subprocess
import sys
from pathlib import Path

import pytest

from components.api_keys import make_key
from serving.quota import Quotas
from tests.places import REPOSITORY
from tests.serving.running import running
from tests.serving.test_access import bearer
from tests.serving.test_swap import ONE
from tests.shelf import Shelf

TAKE = """
import sys
from pathlib import Path
from serving.quota import Quotas


def is_taken():
    while True:
        try:
            return Quotas(Path(sys.argv[1])).take("shop", 1000) == 0
        except BlockingIOError:
            pass  # who holds the lock has not had a processor for a while; nothing was counted


print(sum(is_taken() for _ in range(800)))
"""


def test_processes_that_count_at_once_miss_none(tmp_path: Path) -> None:
    command = [sys.executable, "-c", TAKE, str(tmp_path)]
    started = [subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    taken = [int(process.communicate()[0]) for process in started]
    assert sum(taken) == 1000, taken


def test_the_wait_is_until_midnight_and_another_key_has_its_own_count(tmp_path: Path) -> None:
    quotas = Quotas(tmp_path)
    assert [quotas.take("a", 2) for _ in range(2)] == [0, 0]
    assert 0 < quotas.take("a", 2) <= 86_400
    assert quotas.take("b", 1) == 0
    assert Quotas(tmp_path).take("a", 2) > 0, "a restart forgets nothing"


def test_the_counts_of_other_days_go(tmp_path: Path) -> None:
    (tmp_path / "2020-01-01").mkdir(parents=True)
    (tmp_path / "2020-01-01" / "shop").write_bytes(b"\1" * 8)
    Quotas(tmp_path).take("shop", 5)
    assert [folder.name for folder in tmp_path.iterdir()] != ["2020-01-01"]
    assert not (tmp_path / "2020-01-01").exists()


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_key_that_has_used_up_its_day_is_told_so(shelf: Shelf, tmp_path: Path, workers: int) -> None:
    shelf.promote(shelf.publish(0.0))
    key = make_key(shelf.settings.key_folder, "shop", "predict", per_day=5)
    with running(shelf.settings, tmp_path, workers=workers) as server:
        answered = [server.post("/predict", ONE[0], {**ONE[1], **bearer(key)}) for _ in range(7)]
        assert [answer.status_code for answer in answered] == [200] * 5 + [429] * 2
        assert "5 times a day, until midnight UTC" in answered[-1].json()["error"]
        assert int(answered[-1].headers["Retry-After"]) <= 86_400
