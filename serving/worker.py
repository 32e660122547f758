"""What one worker process holds: its settings, its follower, its batcher."""

import asyncio
import gc
from pathlib import Path

from components.predictions import outcomes_folder, predictions_folder
from components.rolling import RollingParquet
from components.settings import Settings
from components.shadow import shadow_folder
from serving.access import Access
from serving.batching import Batcher, FreshBatcher
from serving.body import BodyReader
from serving.canary import Canary
from serving.challenger import Challenger
from serving.decoding.threads import DecodingThreads
from serving.feedback import Feedback
from serving.follow import Follower
from serving.metrics import Metrics
from serving.outcomes import Outcomes
from serving.packages import Packages
from serving.predictions import PredictionLog
from serving.registry import open_registry
from serving.shadow import Shadow
from serving.states import States
from serving.tracing import NoTracing, Tracing
from serving.versions import Versions

DECODING_THREADS = 2
"""Pictures are decoded beside the event loop, and so many at once: each may take 100 MB while it is."""


class Worker:
    """The parts of a worker; made and started inside its event loop.

    Args:
        settings: where things are, and the limits.
        name: of the registered model.
        home: folder of the server.

    Attributes:
        challenger: the version that was registered last, where it has something to do.
        canary: decides whether it answers a request.
        canary_batcher: computes its answers, apart from the champion's.
        shadow: compares it with the champion.
        log: what was answered; written only where the settings say so.
        outcomes: what became of the requests for predictions; written with the log.
        feedback: what people say that the answer should have been.
        tracing: of its requests.
        explaining: held while an answer is explained.
        access: who may ask.
    """

    def __init__(self, settings: Settings, name: str, home: Path) -> None:
        self.settings = settings
        self.name = name
        self.metrics = Metrics()
        self.bodies = BodyReader(settings.max_body_bytes)
        limits = settings.max_batch, settings.max_queue, settings.max_wait_seconds
        self.batcher = Batcher(*limits, self.metrics.inferred)
        self.decoding = DecodingThreads(DECODING_THREADS, settings.max_wait_seconds)
        self.registry = open_registry(settings, name)
        self.states = States(home, settings.workers)
        packages = Packages(settings.home / "packages" / name, self.registry, settings.public_keys)
        versions = Versions(packages, home / "trials", settings.max_batch, settings.promotion_seconds / 2)
        self.challenger = Challenger(versions, settings.shadow_share)
        returned = settings.home / "canaries" / name / f"{home.name}.json"
        budgets = settings.canary_errors, settings.canary_slowdown
        self.canary = Canary(self.challenger, returned, *budgets, self.metrics)
        self.follower = Follower(versions, self.challenger, self.metrics, self.states.tell, self.canary.look)
        self.canary_batcher = FreshBatcher(lambda: Batcher(*limits, self.metrics.inferred))
        shadows = RollingParquet(shadow_folder(settings, name), settings.log_days)
        self.shadow = Shadow(shadows, self.metrics, settings.shadow_share, self.canary.timed)
        self.log = PredictionLog(
            RollingParquet(predictions_folder(settings, name), settings.log_days),
            self.metrics,
        )
        self.outcomes = Outcomes(RollingParquet(outcomes_folder(settings, name), settings.log_days))
        self.feedback = Feedback(settings, name, self.log.holds)
        self.tracing = Tracing(settings.traces, name) if settings.traces else NoTracing()
        self.explaining = asyncio.Lock()
        self.access = Access(
            settings.key_folder,
            settings.home / "quotas",
            settings.workers,
            required=settings.keys_are_required,
            guarded=settings.keys_required is False,
        )

    async def start(self) -> None:
        """Looks at the registry, then begins to follow it: a worker takes no request before it has looked once."""
        await asyncio.to_thread(self.access.start)
        await asyncio.to_thread(self.canary.look)
        await asyncio.to_thread(self.follower.look)
        self.follower.start(self.settings.poll_seconds)
        self.shadow.start()
        if self.settings.log_predictions:
            self.log.start()
            self.outcomes.start()
        gc.collect()
        gc.freeze()  # what lives as long as the worker need not be looked at by every later collection

    async def stop(self) -> None:
        """Ends the threads, once every request was answered."""
        self.access.stop()
        self.follower.stop()
        await self.batcher.close()
        self.canary_batcher.abandon()
        await asyncio.to_thread(self.decoding.close)
        if self.settings.log_predictions:
            await asyncio.to_thread(self.log.stop)
            await asyncio.to_thread(self.outcomes.stop)
        await asyncio.to_thread(self.tracing.stop)
        await asyncio.to_thread(self.shadow.stop)
        await asyncio.to_thread(self.feedback.stop)
