"""What a worker holds of a request while its answer is waited for."""

import asyncio
import time
import tracemalloc
from pathlib import Path
from typing import Any

from starlette.types import Message

from serving.app import build_app
from serving.worker import Worker
from tests.serving.test_swap import ONE
from tests.shelf import NAME, Shelf

SIZE = 4 * 2**20


def test_no_body_is_held_while_its_answer_waits_for_the_model(shelf: Shelf, tmp_path: Path) -> None:
    shelf.promote(shelf.publish(0.0))
    told: list[Message] = []
    held: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": ONE[0] + b" " * SIZE, "more_body": False}

    async def send(message: Message) -> None:
        told.append(message)

    async def ask() -> None:
        app = build_app()
        app.worker = worker = Worker(shelf.settings, NAME, tmp_path / "server")
        await worker.start()
        infer = worker.batcher.infer

        async def watched(*given: Any) -> Any:
            until = time.monotonic() + 10  # the thread that has decoded the body may hold it for a moment
            while (now := tracemalloc.get_traced_memory()[0]) > SIZE / 2 and time.monotonic() < until:
                await asyncio.sleep(0.01)
            held.append(now)
            return await infer(*given)

        worker.batcher.infer = watched  # type: ignore[method-assign]
        headers = [(name.lower().encode(), value.encode()) for name, value in ONE[1].items()]
        scope = {"type": "http", "method": "POST", "path": "/predict", "query_string": b"", "headers": headers}
        tracemalloc.start()
        await app(scope, receive, send)
        tracemalloc.stop()
        await worker.stop()

    asyncio.run(ask())
    assert told[0]["status"] == 200
    assert held[0] < SIZE / 2
