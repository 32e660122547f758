"""The BentoML service: its processes, its probes, and the Starlette application that answers."""

import logging
import os
from pathlib import Path

import bentoml
from starlette.exceptions import HTTPException

from components.settings import load_settings
from components.stage import die_with_parent
from serving.app import build_app
from serving.worker import Worker

REQUEST_SECONDS = 30
app = build_app()


@bentoml.service(
    name="tunesmith",
    metrics={"enabled": False},  # our own are in serving.metrics, which says why
    logging={"access": {"enabled": False}},
    tracing={"excluded_urls": ".*"},
    traffic={"timeout": REQUEST_SECONDS},
)
@bentoml.asgi_app(app)
class Tunesmith:
    """Answers from the champion of one registered model."""

    # Nothing that the registry or a model does may fail in here: BentoML would start the worker again for ever.

    @bentoml.on_startup  # type: ignore[untyped-decorator]
    async def start(self) -> None:
        """Begins to follow the registry."""
        die_with_parent()
        logging.getLogger("tunesmith").setLevel(logging.INFO)
        settings = load_settings()
        name = settings.model or ""  # serving.__main__ sees to it that there is one
        app.worker = Worker(settings, name, Path(os.environ["BENTOML_HOME"]) / "fetched")
        app.worker.start()

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
