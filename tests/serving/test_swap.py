"""The promise of following: a promotion under load fails no request, and each answer is of the version it names."""

import json
import os
import signal
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.package_factory import digits
from tests.serving.running import PATIENCE, Running, running, wait_for
from tests.serving.test_follow import damage_a_file
from tests.shelf import Shelf, answers

SAMPLES = np.ascontiguousarray(digits().inputs[:20])
BIASES = (0.0, 3.0, 6.0)
ONE = (json.dumps({"inputs": SAMPLES[0].tolist()}).encode(), {"Content-Type": "application/json"})


def workers_of(server: Running) -> list[str]:
    """Process ids."""
    return Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()


@dataclass
class Load:
    """Clients that ask without a pause until they are stopped; they keep every answer, and every failure."""

    server: Running
    answers: list[tuple[float, int, int, list[float]]] = field(default_factory=list)
    """When it was asked, sample, version, probabilities."""
    names: list[tuple[float, str]] = field(default_factory=list)
    """When it was asked, id of the request."""
    failures: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)

    def start(self, clients: int) -> None:
        self.threads = [threading.Thread(target=self.ask, args=(number,), daemon=True) for number in range(clients)]
        for thread in self.threads:
            thread.start()

    def go_on(self, requests: int = 100) -> float:
        """Returns when so many more were asked and answered; gives the moment from which they were counted."""
        since = time.monotonic()
        wait_for(lambda: sum(asked > since for asked, *_ in self.answers) >= requests, "answers")
        return since

    def end(self) -> None:
        """Returns when every client has had its last answer."""
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def ask(self, number: int) -> None:
        with httpx.Client(base_url=self.server.address, timeout=PATIENCE) as client:
            while not self.stop.is_set():
                number = (number + 1) % len(SAMPLES)
                asked = time.monotonic()
                try:
                    response = client.post("/predict", json={"inputs": SAMPLES[number].tolist()})
                except httpx.HTTPError as error:
                    self.failures.append(repr(error))
                    continue
                if response.status_code != 200:
                    self.failures.append(response.text)
                    continue
                found = response.json()
                self.names.append((asked, found["request_id"]))
                self.answers.append((asked, number, found["version"], list(found["probabilities"].values())))


def promote_and_wait(shelf: Shelf, server: Running, version: int, *, pages: int = 1) -> float:
    """Moves the alias, and returns when ``pages`` looks at /model in a row showed the version."""
    shelf.promote(version)
    for _ in range(pages):
        wait_for(lambda: server.serves(version), f"version {version}")
    return time.monotonic()


@pytest.mark.slow
def test_promotions_under_load_fail_no_request(shelf: Shelf, tmp_path: Path) -> None:
    versions = {shelf.publish(bias): bias for bias in BIASES}
    expected = {version: answers(shelf.package(bias), SAMPLES) for version, bias in versions.items()}
    first, second, third = versions
    shelf.promote(first)
    with running(shelf.settings, tmp_path) as server:
        load = Load(server)
        load.start(8)
        load.go_on()
        since_second = promote_and_wait(shelf, server, second)
        load.go_on()
        bad = damage_a_file(shelf, tmp_path)
        wait_for(lambda: server.model()["following"]["rejected"] == bad, "the damaged version is rejected")
        assert server.serves(second)
        assert f"Version {bad} is rejected" in server.model()["following"]["error"]
        load.go_on()
        before_third = time.monotonic()
        since_third = promote_and_wait(shelf, server, third)
        load.go_on()
        load.end()
        metrics = server.get("/metrics").text

    assert not load.failures
    assert {version for _, _, version, _ in load.answers} == {first, second, third}
    for asked, number, version, probabilities in load.answers:
        assert np.allclose(probabilities, expected[version][number], atol=2e-6), "the answer is not of its version"
        if asked > since_third:
            assert version == third
        elif since_second < asked < before_third:
            assert version == second
    assert 'tunesmith_model_swaps_total{result="served"} 3.0' in metrics
    assert 'tunesmith_model_swaps_total{result="rejected"} 1.0' in metrics


@pytest.mark.slow
def test_two_workers_follow_share_their_measures_and_replace_each_other(shelf: Shelf, tmp_path: Path) -> None:
    first, second = shelf.publish(0.0), shelf.publish(9.0)
    shelf.promote(first)
    with running(shelf.settings, tmp_path, workers=2) as server:

        def of_every_worker(version: int) -> bool:
            lines = server.get("/metrics").text.splitlines()
            served = [line.split()[1] for line in lines if line.startswith("tunesmith_model_version{")]
            return served == [f"{version}.0"] * 2

        wait_for(lambda: of_every_worker(first), "both workers serve the first version")
        load = Load(server)
        load.start(4)
        load.go_on()
        shelf.promote(second)
        wait_for(lambda: of_every_worker(second), "both workers serve the second version")
        since = load.go_on()
        load.end()
        text = server.get("/metrics").text
        dead, alive = workers_of(server)
        later = Load(server)
        later.start(2)
        os.kill(int(dead), signal.SIGKILL)
        assert server.post("/predict", *ONE).json()["version"] == second, "the other one goes on"
        wait_for(lambda: dead not in workers_of(server), "the dead worker is noticed")
        wait_for(lambda: of_every_worker(second), "another one serves in its place")
        later.end()
        assert not [text for text in later.failures if "request_id" in text], (
            "it took no request before it could answer"
        )
        now = server.get("/metrics").text
        assert f'pid="{dead}"' not in now
        assert f'pid="{alive}"' in now
    assert not load.failures
    assert {version for asked, _, version, _ in load.answers if asked > since} == {second}
    counted = [line for line in text.splitlines() if line.startswith('tunesmith_requests_total{route="/predict"')]
    assert counted == [f'tunesmith_requests_total{{route="/predict",status="200"}} {len(load.answers)}.0']
