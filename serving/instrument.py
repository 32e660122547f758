"""Gives each request an id, each answer the version that gave it, and counts both."""

import logging
import time
import traceback
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from components.predictions import new_request_id
from serving.errors import encodable
from serving.requests import REQUEST_ID
from serving.worker import Worker

PREDICTING = frozenset({"/predict", "/predict_batch"})

log = logging.getLogger("tunesmith.serving")


class Instrumented:
    """A Starlette application whose every answer carries ``X-Request-Id`` and ``X-Model-Version``, and is counted.

    The version of a refusal, and of what is no prediction, is the one that would have answered.

    A plain ASGI application to BentoML, which therefore hands it every path that is not its own.

    Attributes:
        app: answers.
        routes: its paths, as they are written there.
    """

    def __init__(self, app: Starlette) -> None:
        self.app = app
        self.routes = frozenset(route.path for route in app.routes if isinstance(route, Route))

    @property
    def worker(self) -> Worker:
        """What the routes need."""
        worker: Worker = self.app.state.worker
        return worker

    @worker.setter
    def worker(self, worker: Worker) -> None:
        self.app.state.worker = worker

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":  # a WebSocket: no route takes one, and it is no request
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status, version = 0, None
        name = _request_id(scope)
        state = scope.setdefault("state", {})
        state["request_id"], state["began"] = name, started

        async def counted(message: Message) -> None:
            nonlocal status, version
            if message["type"] == "http.response.start":
                status = message["status"]
                model = state.get("served") or self.worker.follower.model
                version = model.version if model else None
                _end(state)  # a client that takes its time to read its answer holds no promotion back
                message["headers"] = [*message.get("headers", []), *_named(name, version)]
            await send(message)

        worker = self.worker
        try:
            with worker.tracing.request(scope, name) as span:
                await self.app(scope, receive, counted)
                if span is not None:
                    span.set_attribute("http.response.status_code", status)
        except Exception:
            if not status:
                raise
            # Starlette has answered 500, and raises so that somebody says why. As text: a log takes nothing but UTF-8.
            trace = encodable(traceback.format_exc())
            log.error("Request %s failed.\n%s", name, trace, extra={"request_id": name})  # noqa: TRY400
        finally:
            _end(state)
            self._tell(scope["path"], status, time.perf_counter() - started, name, version)

    def _tell(self, path: str, status: int, seconds: float, name: str, version: int | None) -> None:
        """Counts an answer, and logs it if the settings say so."""
        route = path if path in self.routes else "other"
        self.worker.metrics.answered(route, status, seconds)
        if route in PREDICTING and self.worker.settings.log_predictions:
            self.worker.outcomes.ended(status)
        if self.worker.settings.log_requests:
            details = {"request_id": name, "route": route, "status": status, "seconds": round(seconds, 6)}
            extra = details | {"version": version}
            log.info("%s %s in %.1f ms, request %s", route, status, seconds * 1000, name, extra=extra)


def _end(state: dict[str, Any]) -> None:
    """The version that a request was answered from has one request less, if it has not been told yet."""
    if (served := state.pop("served", None)) is not None:
        served.requests.end()


def _named(name: str, version: int | None) -> list[tuple[bytes, bytes]]:
    found = [] if version is None else [(b"x-model-version", str(version).encode())]
    return [(b"x-request-id", name.encode()), *found]


def _request_id(scope: Scope) -> str:
    """The client's own, if it is one; a fresh one otherwise."""
    for key, value in scope["headers"]:
        if key == b"x-request-id" and REQUEST_ID.fullmatch(value):
            return bytes(value).decode()
    return new_request_id()
