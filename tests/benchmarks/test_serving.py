"""What the benchmarks of serving make of what they measured: made-up rounds, real servers, one that answers wrongly."""

import asyncio
import threading
from pathlib import Path

import pytest

from benchmarks.capacity import Measured as Capacity
from benchmarks.capacity import _ratios
from benchmarks.flood import Flood, flood
from benchmarks.load import Round, request
from benchmarks.prediction_log import unlogged
from benchmarks.served import Server
from benchmarks.serving_results import (
    BATCH,
    INLINE,
    LITSERVE,
    MANY,
    MLFLOW,
    PYDANTIC,
    SINGLE,
    Measured,
    ours,
    samples_of_ours,
)
from components.api_keys import make_key
from tests.serving.running import running
from tests.serving.test_swap import ONE
from tests.shelf import Shelf

RIVALS = (MLFLOW, LITSERVE, PYDANTIC, INLINE)


def rounds(**speeds: float) -> dict[str, list[Round]]:
    """Of 2 CPU seconds each: so many requests per CPU second."""
    return {name: [Round(int(2 * speed), 3.0, 2.0, 1.0, 2.0)] * 3 for name, speed in speeds.items()}


def measured(lost: int = 0) -> Measured:
    forms = dict(zip((*SINGLE, MANY), (500.0, 800.0, 100.0, 30.0), strict=True))
    speeds = {ours(form): speed for form, speed in forms.items()} | dict.fromkeys(RIVALS, 100.0)
    return Measured(rounds(**speeds), {1: [1000.0] * 3, BATCH: [30.0 * BATCH] * 3}, lost)


def test_each_form_of_a_single_image_is_held_against_each_rival() -> None:
    found = {ratio.name.removeprefix("serving: "): ratio for ratio in measured().ratios()}
    for form, value in (("JSON", 5.0), (".npy", 8.0), ("PNG", 1.0)):
        for rival, kept in ((MLFLOW, value >= 2.5), (LITSERVE, value >= 2), (PYDANTIC, value >= 1)):
            ratio = found[f"requests per CPU second, {form} / {rival}"]
            assert (ratio.value, ratio.kept) == (value, kept), ratio.name
    assert found[f"requests per CPU second, .npy / {LITSERVE}"].note.endswith("; 80.0% of the bare loop")
    assert found[f"{BATCH} images a request / the bare ONNX Runtime loop"].value == 1.0
    assert found[f"requests per CPU second, .npy / {INLINE}"].value == 8.0
    assert samples_of_ours(measured().rounds) == 3 * 2 * (500 + 800 + 100 + 30 * BATCH)


@pytest.mark.parametrize("lost", [0, 1])
def test_an_answer_that_the_log_has_lost_is_a_failure(lost: int) -> None:
    found = {ratio.name: ratio for ratio in measured(lost).ratios()}
    assert found["serving: answers that the prediction log has lost"].kept is (lost == 0)


def test_what_a_server_answered_and_did_not_log_is_counted(shelf: Shelf, tmp_path: Path) -> None:
    shelf.promote(shelf.publish(0.0))
    key = make_key(shelf.settings.key_folder, "admin", "admin")
    with running(shelf.settings, tmp_path) as process:
        server = Server(process.port, process.process.pid)
        for _ in range(3):
            assert process.post("/predict", ONE[0], {**ONE[1], "X-API-Key": key}).status_code == 200
        assert unlogged(server, key, 3) == 0
        assert unlogged(server, key, 5, patience=0.1) == 2
        with pytest.raises(RuntimeError, match="/metrics answers 401"):
            unlogged(server, "no key", 3)


class Wrong:
    """An HTTP server that answers in turn: 200, 503 with Retry-After, 503 without, 500."""

    ANSWERS = (b"200 OK", b"503 No\r\nRetry-After: 1", b"503 No", b"500 Oh")

    def __init__(self) -> None:
        self.port, self._answered, self._ready = 0, 0, threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True).start()
        self._ready.wait(10)

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await server.serve_forever()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline():
            await reader.readuntil(b"\r\n\r\n")
            head = self.ANSWERS[self._answered % len(self.ANSWERS)]
            self._answered += 1
            writer.write(b"HTTP/1.1 " + head + b"\r\nContent-Length: 0\r\n\r\n")


def capacity(found: Flood) -> dict[str, bool]:
    round_ = Capacity(one=1.0, two=2.0, loops=(1.0, 2.0), flood=found, memory=1)
    return {ratio.name: ratio.kept for ratio in _ratios([round_, round_])}


def test_a_flood_with_any_other_answer_is_a_failure() -> None:
    found = flood(Wrong().port, request("/predict", "text/plain", b""), rate=100, filling=0.2, seconds=1.0)
    improper = found.statuses[500] + found.unadvised
    assert found.improper == improper > 0
    assert found.unadvised == pytest.approx(found.statuses[503] / 2, abs=1)
    name = "serving: answers then that are neither 200 nor 503 with Retry-After"
    assert capacity(found)[name] is False
    proper = Flood(1.0, settled=3)
    proper.statuses.update({200: 3, 503: 2})
    assert capacity(proper)[name] is True
