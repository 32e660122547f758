"""What happens to a request that nobody foresaw."""

import asyncio
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from components.settings import Settings
from serving.app import build_app
from serving.worker import Worker


async def fail(request: Request) -> Response:
    raise RuntimeError("a secret of the server")


def test_a_fault_of_the_server_is_answered_logged_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    app = build_app()
    app.app.router.routes.append(Route("/fail", fail))
    app.worker = Worker(Settings(home=tmp_path), "digits", tmp_path / "scratch")

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            return await client.get("/fail", headers={"X-Request-Id": "order-7"})

    response = asyncio.run(ask())
    assert response.status_code == 500
    assert response.json()["request_id"] == "order-7"
    assert "secret" not in response.text
    assert "Request order-7 failed" in caplog.text
    assert "a secret of the server" in caplog.text
    assert b'tunesmith_requests_total{route="other",status="500"} 1.0' in app.worker.metrics.exposition()
