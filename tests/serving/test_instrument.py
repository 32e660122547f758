"""What happens to a request that nobody foresaw."""

import asyncio
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message

from components.settings import Settings
from serving.app import build_app
from serving.errors import RequestError
from serving.instrument import Instrumented
from serving.worker import Worker


async def fail(request: Request) -> Response:
    raise RuntimeError("a secret of the server: \ud800")


async def refuse(request: Request) -> Response:
    raise RequestError(422, "Half a letter: \ud800.")


def ask(app: Instrumented, path: str) -> httpx.Response:
    async def answer() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            return await client.get(path, headers={"X-Request-Id": "order-7"})

    return asyncio.run(answer())


def failing(folder: Path) -> Instrumented:
    app = build_app()
    app.app.router.routes.extend([Route("/fail", fail), Route("/refuse", refuse)])
    app.worker = Worker(Settings(home=folder), "digits", folder / "scratch")
    return app


def test_a_fault_of_the_server_is_answered_logged_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    app = failing(tmp_path)
    response = ask(app, "/fail")
    assert response.status_code == 500
    assert response.json()["request_id"] == "order-7"
    assert "secret" not in response.text
    assert "Request order-7 failed" in caplog.text
    assert r"a secret of the server: \ud800" in caplog.text
    assert caplog.text.encode()
    assert b'tunesmith_requests_total{route="other",status="500"} 1.0' in app.worker.metrics.exposition()


def test_no_sentence_is_one_that_cannot_be_sent(tmp_path: Path) -> None:
    response = ask(failing(tmp_path), "/refuse")
    assert response.status_code == 422
    assert response.json() == {"error": r"Half a letter: \ud800.", "request_id": "order-7"}


def test_a_websocket_is_refused_and_is_no_request(tmp_path: Path) -> None:
    app, told = failing(tmp_path), list[Message]()

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        told.append(message)

    asyncio.run(app({"type": "websocket", "path": "/predict", "headers": [], "query_string": b""}, receive, send))
    assert [message["type"] for message in told] == ["websocket.close"]
    assert b"tunesmith_requests_total{" not in app.worker.metrics.exposition()
