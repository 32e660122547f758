"""Errors and latency of the requests of a time."""

from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

import numpy as np

from components.monitor.record import Finding
from components.params.sections.monitor import Kind, ServiceLimits
from components.predictions import outcome_columns, outcomes_folder, read
from components.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa


def requests_of(settings: Settings, model: str, since: datetime, until: datetime) -> "pa.Table":
    """How many requests ended with which status, as the servers of this home folder have counted them.

    Args:
        settings: where the count is.
        model: name of the registered model.
        since: UTC, included.
        until: UTC, left out.
    """
    return read(outcomes_folder(settings, model), outcome_columns(), since, until)


def findings_of(outcomes: "pa.Table", latencies: "pa.ChunkedArray", limits: ServiceLimits) -> list[Finding]:
    """Whether too many requests failed, or the slow ones were too slow.

    Args:
        outcomes: as :func:`requests_of` gives them.
        latencies: of the answers, in milliseconds.
        limits: the section.
    """
    requests = outcomes["requests"].to_numpy()
    failed = requests[outcomes["status"].to_numpy() >= HTTPStatus.INTERNAL_SERVER_ERROR]
    slow = float(np.quantile(latencies.to_numpy(), 0.99))
    found = [_finding("latency", "99th percentile of milliseconds", slow, limits.max_p99_ms)]
    if requests.sum():
        share = float(failed.sum() / requests.sum())
        found.append(_finding("errors", "share of requests that failed", share, _above(limits.max_error_share)))
    return found


def _above(share: float) -> float:
    """The least share that is more than that."""
    return float(np.nextafter(share, 1.0))


def _finding(kind: Kind, name: str, value: float, limit: float) -> Finding:
    return Finding(kind=kind, name=name, method="limit", statistic=value, threshold=limit, before=None, now=value)
