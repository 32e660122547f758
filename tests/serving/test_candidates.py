"""The challenger on a real server: in the shadow, as a canary that is sent back, and on recorded requests."""

import asyncio
import contextlib
import io
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from onnxruntime import InferenceSession
from PIL import Image

from components.errors import DataError, RegistryError
from components.predictions import predictions_folder
from components.promote import promote, rollback
from components.registry import CHALLENGER
from components.replay import replay
from components.shadow import compare, shadow_folder
from flows.candidates import set_canary, shadowed
from serving.app import build_app
from serving.canary import Canary
from serving.challenger import Challenger
from serving.metrics import Metrics
from serving.registry import Holder, Registry, open_registry
from serving.worker import Worker
from tests.following import versions_of
from tests.package_factory import digits
from tests.serving.running import Running, running, wait_for
from tests.serving.test_swap import ONE
from tests.shelf import NAME, Shelf, answers

SAMPLES = np.ascontiguousarray(digits().inputs[:40])
BIAS = 3.0
"""So much towards one class that some answers change."""


@pytest.fixture
def candidates(shelf: Shelf) -> Shelf:
    """A champion, version 1, and a challenger, version 2, which answers otherwise at times."""
    shelf.promote(shelf.publish(0.0))
    shelf.registry.set_alias(CHALLENGER, shelf.publish(BIAS))
    return shelf


def ask_each(server: Running, headers: dict[str, str] | None = None) -> list[dict[str, Any]]:
    kind = {"Content-Type": "application/json", **(headers or {})}
    return [
        server.post("/predict", json.dumps({"inputs": sample.tolist()}).encode(), kind).json() for sample in SAMPLES
    ]


def differing(shelf: Shelf) -> int:
    one, other = (answers(shelf.package(bias), SAMPLES).argmax(axis=1) for bias in (0.0, BIAS))
    return int((one != other).sum())


def test_what_the_challenger_does_in_the_shadow_is_told(candidates: Shelf, tmp_path: Path) -> None:
    settings = candidates.settings
    assert 0 < differing(candidates) < len(SAMPLES), "else this says nothing"
    with running(settings, tmp_path, shadow_share=1.0) as server:
        wait_for(lambda: server.model()["challenger"]["version"] == 2, "the challenger")
        assert {answer["version"] for answer in ask_each(server)} == {1}, "nobody hears the shadow"
        folder = shadow_folder(settings, NAME)
        both = [candidates.registry.version(number).digest for number in (1, 2)]
        wait_for(lambda: (found := compare(folder, *both)) is not None and found.samples == 40, "the comparisons")
        told = server.get("/metrics").text
    found = shadowed(settings, NAME, None)
    assert found.agreement == 1 - differing(candidates) / len(SAMPLES)
    assert sum(change.samples for change in found.changes) == differing(candidates)
    assert found.champion_ms > 0 < found.challenger_ms
    assert "version 2 answered 40 samples" in found.sentence()
    assert f'tunesmith_shadow_samples_total{{result="differed"}} {differing(candidates)}.0' in told
    with pytest.raises(RegistryError, match="is the champion itself"):
        shadowed(settings, NAME, 1)
    with pytest.raises(RegistryError, match="has no version 9"):
        shadowed(settings, NAME, 9)
    with pytest.raises(RegistryError, match="TUNESMITH_SHADOW_SHARE"):
        shadowed(settings, NAME, candidates.publish(2 * BIAS))


def test_a_canary_answers_a_share_of_the_callers_the_same_each_time(candidates: Shelf, tmp_path: Path) -> None:
    settings = candidates.settings
    with running(settings, tmp_path, canary_slowdown=100) as server:
        assert {answer["version"] for answer in ask_each(server)} == {1}
        assert "answers 0.5 of the requests" in set_canary(settings, NAME, 0.5, None)
        wait_for(lambda: server.model()["challenger"]["canary_share"] == 0.5, "the canary")
        by_caller = {}
        for caller in range(60):
            asked = [server.post("/predict", *sticky(f"caller {caller}")).json() for _ in "abc"]
            versions = {answer["version"] for answer in asked}
            assert len(versions) == 1, "a caller has the same version each time"
            by_caller[caller] = versions.pop()
        assert 12 < Counter(by_caller.values())[2] < 48
        chosen = next(caller for caller, version in by_caller.items() if version == 2)
        response = server.post("/predict", *sticky(f"caller {chosen}"))
        assert response.headers["x-model-version"] == "2"
        expected = answers(candidates.package(BIAS), SAMPLES[:1])[0]
        assert np.allclose(list(response.json()["probabilities"].values()), expected, atol=2e-6)
        assert "answers no request" in set_canary(settings, NAME, 0, None)
        wait_for(lambda: server.post("/predict", *sticky(f"caller {chosen}")).json()["version"] == 1, "the end of it")
    with pytest.raises(RegistryError, match="is the champion"):
        set_canary(settings, NAME, 0.5, 1)


def sticky(caller: str) -> tuple[bytes, dict[str, str]]:
    body, headers = ONE
    return body, {**headers, "X-Sticky-Key": caller}


def canary_of(shelf: Shelf, folder: Path, **budgets: float) -> Canary:
    """A canary that is to answer everything."""
    registry = open_registry(shelf.settings, NAME)
    versions = versions_of(registry, shelf.settings, folder / "server")
    challenger = Challenger(versions, 0.0)
    challenger.look(1)
    assert challenger.fault is None
    return Canary(challenger, folder / "canary.json", **{"errors": 0.01, "slowdown": 1.5, **budgets}, metrics=Metrics())


def test_a_canary_that_errs_is_sent_back_until_it_is_begun_anew(candidates: Shelf, tmp_path: Path) -> None:
    set_canary(candidates.settings, NAME, 1.0, None)
    canary, other = canary_of(candidates, tmp_path), canary_of(candidates, tmp_path)
    model = canary.choose("anybody")
    assert model is not None
    assert model.version == 2
    canary.ended(model, well=False)
    assert canary.choose("anybody") is model, "one error is none"
    canary.ended(model, well=True)
    canary.ended(model, well=False)
    assert canary.choose("anybody") is None
    assert canary.returned is not None
    assert "failed at 2 of its last 3" in canary.returned.reason
    assert other.choose("anybody") is not None
    other.look()
    assert other.choose("anybody") is None, "every worker hears of it"
    after_a_restart = canary_of(candidates, tmp_path)
    after_a_restart.look()
    assert after_a_restart.choose("anybody") is None
    time.sleep(1.1)  # the tag has seconds
    set_canary(candidates.settings, NAME, 1.0, None)
    anew = canary_of(candidates, tmp_path)
    anew.look()
    assert anew.choose("anybody") is not None


def test_few_errors_among_many_requests_are_within_the_budget(candidates: Shelf, tmp_path: Path) -> None:
    set_canary(candidates.settings, NAME, 1.0, None)
    canary = canary_of(candidates, tmp_path, errors=0.02)
    model = canary.choose("anybody")
    assert model is not None
    for number in range(1000):
        canary.ended(model, well=number % 100 != 99)
    assert canary.choose("anybody") is model
    for _ in range(5):
        canary.ended(model, well=False)
    assert canary.choose("anybody") is None, "of its last 200, whatever was before them"


def test_a_slow_canary_is_sent_back(candidates: Shelf, tmp_path: Path) -> None:
    set_canary(candidates.settings, NAME, 1.0, None)
    canary = canary_of(candidates, tmp_path)
    model = canary.choose("anybody")
    assert model is not None
    for _ in range(60):
        canary.timed(model, 1.0, 1.4)
    assert canary.choose("anybody") is model, "1.4 × is allowed"
    for _ in range(200):
        canary.timed(model, 1.0, 1.6)
    assert canary.choose("anybody") is None
    assert canary.returned is not None
    assert "1.60 × the champion's time; 1.5 × is allowed" in canary.returned.reason


def test_a_move_of_the_champion_ends_every_canary(candidates: Shelf, tmp_path: Path) -> None:
    settings = candidates.settings
    with running(settings, tmp_path, canary_slowdown=100) as server:
        set_canary(settings, NAME, 1.0, None)
        wait_for(lambda: server.post("/predict", *ONE).json()["version"] == 2, "the canary")
        promote(settings, NAME, 2, 1, "it is better")
        rollback(settings, NAME, "it is not")
        asked = [server.post("/predict", *ONE).json()["version"] for _ in range(20)]
        assert set(asked) == {1}, "after the acknowledgement nothing of the version that was taken away"
        time.sleep(1)
        assert server.post("/predict", *ONE).json()["version"] == 1


def test_a_promotion_past_the_canary_ends_it(candidates: Shelf, tmp_path: Path) -> None:
    settings = candidates.settings
    third = candidates.publish(2 * BIAS)
    with running(settings, tmp_path, canary_slowdown=100) as server:
        set_canary(settings, NAME, 1.0, 2)
        wait_for(lambda: server.post("/predict", *ONE).json()["version"] == 2, "the canary")
        promote(settings, NAME, third, 1, "better than both")
        asked = [server.post("/predict", *ONE).json()["version"] for _ in range(20)]
        assert set(asked) == {third}, "after the acknowledgement nothing of the canary"
        set_canary(settings, NAME, 1.0, 2)
        wait_for(lambda: server.post("/predict", *ONE).json()["version"] == 2, "the canary, begun anew")
        rollback(settings, NAME, "not better after all")
        assert {server.post("/predict", *ONE).json()["version"] for _ in range(20)} == {1}


class FailingNow:
    """A registry that cannot be asked while it is told so."""

    def __init__(self, registry: Registry) -> None:
        self._registry, self.fails, self.address = registry, False, registry.address

    def holder(self, alias: str) -> Holder | None:
        if self.fails:
            raise RegistryError("It cannot be asked.")
        return self._registry.holder(alias)

    def fetch(self, holder: Holder, file: str, target: Path, max_bytes: int) -> None:
        self._registry.fetch(holder, file, target, max_bytes)


def test_where_the_registry_fails_a_canary_goes_on_but_not_past_a_move_of_the_champion(
    candidates: Shelf, tmp_path: Path
) -> None:
    """What acknowledges the move has the new champion, and might answer from the canary still."""
    set_canary(candidates.settings, NAME, 1.0, None)
    registry = FailingNow(open_registry(candidates.settings, NAME))
    challenger = Challenger(versions_of(registry, candidates.settings, tmp_path / "server"), 0.0)
    challenger.look(1)
    model = challenger.model
    assert model
    registry.fails = True
    challenger.look(1)
    assert (challenger.model, challenger.canary_share) == (model, 1.0)
    assert "cannot be asked" in str(challenger.fault)
    registry.fails = False
    challenger.look(1)
    assert (challenger.model, challenger.fault) == (model, None), "what is over is not told for ever"
    registry.fails = True
    challenger.look(3)
    assert (challenger.model, challenger.canary_share) == (None, 0.0)
    registry.fails = False
    challenger.look(3)
    assert challenger.model, "it is the canary of the new champion, if the registry says so"


class Broken:
    """A graph that fails once it was proven."""

    def run(self, *_: object) -> NoReturn:
        raise RuntimeError("no such operator")


class BrokenLater:
    """A graph that answers once more, and gives no numbers then."""

    def __init__(self, session: InferenceSession) -> None:
        self._session, self._runs = session, 0

    def run(self, outputs: list[str], inputs: dict[str, NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        self._runs += 1
        answers, features = self._session.run(outputs, inputs)
        return [answers if self._runs == 1 else np.full_like(answers, np.nan), features]


@contextlib.asynccontextmanager
async def in_process(shelf: Shelf, folder: Path, **more: object) -> AsyncIterator[tuple[Worker, httpx.AsyncClient]]:
    """A worker whose canary is to answer everything, and who asks it."""
    set_canary(shelf.settings, NAME, 1.0, None)
    app = build_app()
    app.worker = worker = Worker(shelf.settings.model_copy(update=more), NAME, folder / "server")
    await worker.start()
    assert worker.challenger.model
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server") as client:
        yield worker, client
    await worker.stop()


def test_what_a_canary_fails_at_is_answered_by_the_champion(candidates: Shelf, tmp_path: Path) -> None:
    body, headers = ONE

    async def ask_twice() -> None:
        async with in_process(candidates, tmp_path) as (worker, client):
            assert worker.challenger.model
            broken = worker.challenger.model = replace(worker.challenger.model, session=Broken())
            answered = [await client.post("/predict", content=body, headers=headers) for _ in "ab"]
            refused = await client.post("/predict", content=b"[]", headers=headers)
            assert broken.requests.wait_for_none(0.1)
        for answer in answered:
            assert (answer.status_code, answer.json()["version"], answer.headers["x-model-version"]) == (200, 1, "1")
        assert refused.status_code == 422, "what the champion refuses, too, is no failure"
        assert worker.canary.returned is not None
        assert "failed at 2 of its last 2" in worker.canary.returned.reason
        assert worker.follower.model
        assert worker.follower.model.requests.wait_for_none(0.1)

    asyncio.run(ask_twice())


def test_an_explanation_that_a_canary_fails_at_is_given_by_the_champion(candidates: Shelf, tmp_path: Path) -> None:
    body, headers = ONE

    async def ask() -> None:
        async with in_process(candidates, tmp_path) as (worker, client):
            by_canary = await client.post("/explain", content=body, headers=headers)
            model = worker.challenger.model
            assert model
            by_champion = []
            for _ in "ab":
                worker.challenger.model = replace(model, session=BrokenLater(model.session))
                by_champion.append(await client.post("/explain", content=body, headers=headers))
                assert worker.challenger.model.requests.wait_for_none(0.1)
        assert (by_canary.status_code, by_canary.headers["x-model-version"]) == (200, "2")
        for answer in by_champion:
            assert (answer.status_code, answer.headers["x-model-version"]) == (200, "1")
            assert answer.json()["version"] == 1
            assert np.isfinite(np.array(answer.json()["explanation"]["map"], float)).all()
        told = worker.metrics.exposition().decode()
        assert 'tunesmith_canary_requests_total{result="answered"} 1.0' in told
        assert 'tunesmith_canary_requests_total{result="failed"} 2.0' in told

    asyncio.run(ask())


def test_a_burst_of_pictures_is_bounded_and_sends_no_canary_back(
    candidates: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.trial.CANARY_SECONDS", 2.0)
    picture = io.BytesIO()
    Image.new("L", (5000, 5000)).save(picture, "PNG")  # 25 KB that are 25 million pixels

    async def ask() -> None:
        async with in_process(candidates, tmp_path, max_wait_seconds=2.4) as (worker, client):
            send = partial(client.post, "/predict", content=picture.getvalue(), headers={"Content-Type": "image/png"})
            began = time.monotonic()
            burst = await asyncio.gather(*(send() for _ in range(200)))
            seconds = time.monotonic() - began
        statuses = Counter(answer.status_code for answer in burst)
        assert set(statuses) == {200, 503}
        assert all(answer.headers["retry-after"] for answer in burst if answer.status_code == 503)
        assert seconds < 40, "who waits is refused after 2.4 s, by the canary and by the champion"
        assert worker.canary.returned is None
        assert 'canary_requests_total{result="failed"}' not in worker.metrics.exposition().decode()

    asyncio.run(ask())


def test_a_replay_tells_what_would_change(candidates: Shelf, tmp_path: Path) -> None:
    settings = candidates.settings
    with running(settings, tmp_path, log_inputs=True) as server:
        answered = ask_each(server)
        truth = json.dumps({"request_id": answered[0]["request_id"], "label": answered[0]["label"]}).encode()
        assert server.post("/feedback", truth, {"Content-Type": "application/json"}).status_code == 201
    until = datetime.now(UTC) + timedelta(seconds=1)
    seen: list[int] = []
    found = replay(settings, NAME, 2, until - timedelta(hours=1), until, seen.append)
    assert found.samples == sum(seen) == len(SAMPLES)
    assert found.answered_by == {1: len(SAMPLES)}
    assert found.agreement == 1 - differing(candidates) / len(SAMPLES)
    assert sum(change.samples for change in found.changes) == differing(candidates)
    assert found.corrected is not None
    assert (found.corrected.samples, found.corrected.before) == (1, 1.0)
    same = replay(settings, NAME, 1, until - timedelta(hours=1), until)
    assert (same.agreement, same.changes) == (1.0, ())
    with pytest.raises(DataError, match="TUNESMITH_LOG_INPUTS"):
        replay(settings, NAME, 2, until - timedelta(days=9), until - timedelta(days=8))
    assert any(predictions_folder(settings, NAME).rglob("*.parquet"))
