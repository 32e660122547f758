"""The BentoML service: its processes, its probes, and the Starlette application that answers."""

import os
import sys
from typing import Any

import bentoml
from _bentoml_impl.server.app import ServiceAppFactory
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from components.processes import die_with_parent
from components.settings import load_settings
from serving.app import build_app
from serving.control import keep_control_private
from serving.enlisting import server_of_this_worker
from serving.logs import begin_logging
from serving.measures import join_measures
from serving.worker import Worker

NOT_SAID = "No version answers yet. The log says why, and so does GET /model, to an admin's key."

keep_control_private()
app = build_app()


class Shortcut:
    """An ASGI application: requests for our own routes reach :data:`app` at once, all else BentoML's.

    Attributes:
        bento: BentoML's application.
    """

    def __init__(self, bento: Starlette) -> None:
        self.bento = bento

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        is_ours = scope["type"] == "http" and scope["path"] in app.routes
        await (app if is_ours else self.bento)(scope, receive, send)


class Direct(bentoml.Service[Any]):  # type: ignore[misc]
    """A service whose own routes are answered without BentoML's middlewares and timers."""

    def to_asgi(self, is_main: bool = True) -> Any:
        """As BentoML does, but that requests for the application's routes go to it at once.

        BentoML's middlewares do nothing for them and cost a fifth of the event loop's time. Its TimeoutMiddleware is
        left out for all: the timer of an answered request is never taken back, and at 1,700 requests a second they
        came to 200 MB. Our own limits are on what can be slow: the arrival of a body, and the length of the queue.
        """
        self.inject_config()
        factory = ServiceAppFactory(self, is_main=is_main)
        factory.timeout = None
        return Shortcut(factory())


@bentoml.service(
    name="tunesmith",
    service_class=Direct,
    metrics={"enabled": False},  # our own are in serving.metrics, which says why
    logging={"access": {"enabled": False}},
    tracing={"excluded_urls": ".*"},
    workers=load_settings().workers,
    http={"host": load_settings().host, "port": load_settings().port},
)
@bentoml.asgi_app(app)
class Tunesmith:
    """Answers from the champion of one registered model."""

    # Nothing that the registry or a model does may fail in here: BentoML would start the worker again for ever.

    @bentoml.on_startup  # type: ignore[untyped-decorator]
    async def start(self) -> None:
        """Begins to follow the registry."""
        die_with_parent()
        settings = load_settings()
        begin_logging(settings.log_format)
        server = server_of_this_worker(settings)
        if os.getppid() != server.process:  # it died before it could be followed
            sys.exit(1)
        self.measures = join_measures(server.process, server.home)
        app.worker = Worker(server.hardened(settings), server.model, server.home)
        await app.worker.start()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    async def stop(self) -> None:
        """Ends after the last answer."""
        await app.worker.stop()
        self.measures.leave()

    async def __is_ready__(self) -> bool:
        """Whether a verified version answers.

        Raises:
            HTTPException: 503 with the reason, where there is none; the reason may name folders, and everybody may ask.
        """
        worker = app.worker
        if worker.follower.model is None:
            why = worker.follower.following.error or "The first version is being loaded."
            raise HTTPException(503, NOT_SAID if worker.access.asks_for_keys else why)
        return True
