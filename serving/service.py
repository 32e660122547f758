"""The BentoML service: its processes, its probes, and the Starlette application that answers."""

import os
import sys
from typing import Any

import bentoml
from _bentoml_impl.server.app import ServiceAppFactory
from starlette.exceptions import HTTPException

from components.settings import load_settings
from components.stage import die_with_parent
from serving.app import build_app
from serving.enlisting import server_of_this_worker
from serving.logs import begin_logging
from serving.worker import Worker

app = build_app()


class WithoutTimers(bentoml.Service[Any]):  # type: ignore[misc]
    """A service whose requests have no timer of BentoML's."""

    def to_asgi(self, is_main: bool = True) -> Any:
        """As BentoML does, but without its TimeoutMiddleware: the timer of an answered request is never taken back.

        At 1,700 requests a second they came to 200 MB, and cost a quarter of the speed. Our own limits are on what
        can be slow: the arrival of a body, and the length of the queue.
        """
        self.inject_config()
        factory = ServiceAppFactory(self, is_main=is_main)
        factory.timeout = None
        return factory()


@bentoml.service(
    name="tunesmith",
    service_class=WithoutTimers,
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
        app.worker = Worker(server.hardened(settings), server.model, server.home)
        await app.worker.start()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    async def stop(self) -> None:
        """Ends after the last answer."""
        await app.worker.stop()

    async def __is_ready__(self) -> bool:
        """Whether a verified version answers.

        Raises:
            HTTPException: 503 with the reason, where there is none.
        """
        if app.worker.follower.model is None:
            raise HTTPException(503, app.worker.follower.following.error or "The first version is being loaded.")
        return True
