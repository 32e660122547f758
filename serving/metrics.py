"""What Prometheus sees: one exposition for all workers, with labels from closed lists only.

BentoML's own metrics stay off: they label by the path that was asked for, so a client could make series without end.
"""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

LATENCY_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
CONFIDENCE_BOUNDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """The measures of one worker."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self._requests = Counter("tunesmith_requests", "Requests answered.", ["route", "status"], registry=registry)
        self._seconds = Histogram(
            "tunesmith_request_seconds",
            "Time from a request's head to the end of its answer.",
            ["route"],
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self._batch = Histogram(
            "tunesmith_batch_samples", "Samples of one inference.", buckets=BATCH_BUCKETS, registry=registry
        )
        self._swaps = Counter(
            "tunesmith_model_swaps",
            "Versions taken from the registry: served, or rejected because the package is bad.",
            ["result"],
            registry=registry,
        )
        self._version = Gauge(
            "tunesmith_model_version",
            "Version that a worker serves; 0: none yet.",
            multiprocess_mode="liveall",
            registry=registry,
        )
        self._since = Gauge(
            "tunesmith_model_loaded_seconds",
            "When a worker began to serve its version, in seconds since 1970.",
            multiprocess_mode="livemin",
            registry=registry,
        )
        self._queue = Gauge(
            "tunesmith_queue_samples",
            "Samples that waited in all workers when an inference had ended.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._following = Gauge(
            "tunesmith_following",
            "Whether the last look at the registry ended without an error, in every worker.",
            multiprocess_mode="livemin",
            registry=registry,
        )
        self._unlogged = Counter(
            "tunesmith_unlogged_samples",
            "Samples that the prediction log lacks.",
            registry=registry,
        )
        self._log_failures = Counter(
            "tunesmith_log_failures", "Attempts to write the prediction log that the disk refused.", registry=registry
        )
        self._samples = Counter("tunesmith_logged_samples", "Samples in the prediction log.", registry=registry)
        self._summaries = Gauge(
            "tunesmith_input_summary_sum",
            "Sum over those samples of each number that says what a sample is like.",
            ["summary"],
            multiprocess_mode="sum",
            registry=registry,
        )
        self._labels = Counter(
            "tunesmith_labels", "Those samples, by the class that was answered.", ["label"], registry=registry
        )
        self._confidences = Counter(
            "tunesmith_confidences",
            "Those samples, by the upper bound of the interval that their largest probability is in.",
            ["up_to"],
            registry=registry,
        )
        self._shadow = Counter(
            "tunesmith_shadow_samples",
            "Samples that the challenger answered in the shadow: as the champion had, otherwise, or not at all.",
            ["result"],
            registry=registry,
        )
        self._canary = Counter(
            "tunesmith_canary_requests",
            "Requests that the challenger was asked as a canary: answered or failed; and how often it was returned.",
            ["result"],
            registry=registry,
        )
        self._registry = registry

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Counts an answer; ``route`` is one of the routes of this server or ``other``."""
        self._requests.labels(route, status).inc()
        self._seconds.labels(route).observe(seconds)

    def inferred(self, samples: int, waiting: int) -> None:
        """Counts an inference that has ended; ``waiting`` samples wait for the next one."""
        self._batch.observe(samples)
        self._queue.set(waiting)

    def served(self, version: int) -> None:
        """A version answers from now on."""
        self._swaps.labels("served").inc()
        self._version.set(version)
        self._since.set_to_current_time()

    def rejected(self) -> None:
        """A version was refused."""
        self._swaps.labels("rejected").inc()

    def looked(self, well: bool) -> None:
        """The registry was asked."""
        self._following.set(well)

    def unlogged(self, samples: int) -> None:
        """Samples are not in the prediction log, and will not be."""
        self._unlogged.inc(samples)

    def logged(
        self, samples: int, summaries: Mapping[str, float], labels: Mapping[str, int], confidences: NDArray[np.float32]
    ) -> None:
        """Samples are in the prediction log; their number is counted last, so that who sees it sees the rest.

        Args:
            samples: how many.
            summaries: the sum of each over the samples.
            labels: how many samples were answered with each; empty for values.
            confidences: of each sample; empty for values.
        """
        for name, total in summaries.items():
            self._summaries.labels(name).inc(total)
        for label, count in labels.items():
            self._labels.labels(label).inc(count)
        counts, _ = np.histogram(confidences, (0.0, *CONFIDENCE_BOUNDS))
        for bound, count in zip(CONFIDENCE_BOUNDS, counts.tolist(), strict=True):
            self._confidences.labels(f"{bound:g}").inc(count)
        self._samples.inc(samples)

    def log_failed(self) -> None:
        """The prediction log could not be written; it is tried again."""
        self._log_failures.inc()

    def shadowed(self, result: Literal["agreed", "differed", "failed"], samples: int) -> None:
        """Samples were answered in the shadow."""
        self._shadow.labels(result).inc(samples)

    def canaried(self, result: Literal["answered", "failed", "returned"]) -> None:
        """The challenger was asked a request, or is asked none any more."""
        self._canary.labels(result).inc()

    def exposition(self) -> bytes:
        """All workers' measures in Prometheus' text format; this process' alone where no folder is shared."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self._registry)
        _forget_dead_workers(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]))
        merged = CollectorRegistry()
        MultiProcessCollector(merged)  # type: ignore[no-untyped-call]
        return generate_latest(merged)


def _forget_dead_workers(folder: Path) -> None:
    """Drops the gauges of workers that have died; counters and histograms keep what those have counted."""
    for file in folder.glob("gauge_live*.db"):
        process = int(file.stem.rsplit("_", 1)[1])
        if not Path(f"/proc/{process}").exists():
            with contextlib.suppress(FileNotFoundError):  # another worker was asked at the same time
                mark_process_dead(process)  # type: ignore[no-untyped-call]
