"""What Prometheus hears of the flows: how the last run of each ended, and which alarms of the monitor stand.

Read from the home folder at every question, so that a start of the process forgets nothing.
"""

import time
from collections.abc import Iterator
from datetime import datetime
from typing import get_args

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from pydantic import ValidationError

from components.errors import SettingsError
from components.monitor.history import last_window, monitor_folder
from components.params.sections.monitor import Kind
from components.settings import Settings
from flows.endings import read_endings

PREFIX = "tunesmith_"


class FlowMeasures(Collector):
    """The measures of one workspace's flows; times are seconds since 1970, as Prometheus has them.

    Args:
        settings: of them the home folder, and how often the monitor looks.
        model: registered name; the label ``model`` of every measure.
    """

    def __init__(self, settings: Settings, model: str) -> None:
        self._settings, self._model = settings, model
        self._began = time.time()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Reads what there is; of a flow that has never ended there is nothing."""
        yield self._one("flows_began_seconds", "When the process that runs the flows began.", self._began)
        yield self._one(
            "monitor_interval_seconds", "How often the monitor looks at the traffic.", self._settings.monitor_seconds
        )
        yield from self._endings()
        yield from self._monitor()

    def _endings(self) -> Iterator[GaugeMetricFamily]:
        failed = self._of("flow_failed", "Whether the last run of a flow failed or crashed.", "flow")
        ended = self._of("flow_ended_seconds", "When the last run of a flow ended.", "flow")
        completed = self._of("flow_completed_seconds", "When a run of a flow last got to its end.", "flow")
        for ending in read_endings(self._settings.home):
            of_flow = [self._model, ending.flow]
            failed.add_metric(of_flow, float(bool(ending.why)))
            ended.add_metric(of_flow, datetime.fromisoformat(ending.ended).timestamp())
            if ending.completed:
                completed.add_metric(of_flow, datetime.fromisoformat(ending.completed).timestamp())
        yield from (failed, ended, completed)

    def _monitor(self) -> Iterator[GaugeMetricFamily]:
        try:
            window = last_window(monitor_folder(self._settings, self._model))
        except ValidationError:  # of another release: the monitor fails at it, too, and that is told
            return
        if window is None:
            return
        yield self._one(
            "monitor_window_seconds", "Where the last window that was judged ends.", window.until.timestamp()
        )
        alarms = self._of("monitor_alarm", "Whether an alarm of a kind stands after that window.", "kind")
        for kind in get_args(Kind):
            alarms.add_metric([self._model, kind], float(kind in window.standing))
        yield alarms

    def _of(self, name: str, about: str, label: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(PREFIX + name, about, labels=["model", label])

    def _one(self, name: str, about: str, value: float) -> GaugeMetricFamily:
        family = GaugeMetricFamily(PREFIX + name, about, labels=["model"])
        family.add_metric([self._model], value)
        return family


def serve_measures(settings: Settings, model: str) -> None:
    """Answers Prometheus from a thread of this process, as long as it lives, where a port is set for that.

    Args:
        settings: of them ``flows_host`` and ``flows_port``.
        model: registered name.

    Raises:
        SettingsError: the port cannot be bound.
    """
    if settings.flows_port is None:
        return
    registry = CollectorRegistry()
    registry.register(FlowMeasures(settings, model))
    try:
        start_http_server(settings.flows_port, settings.flows_host, registry)
    except OSError as error:
        raise SettingsError(
            f"The measures of the flows cannot be given at {settings.flows_host}:{settings.flows_port} "
            f"({error.strerror}). Set TUNESMITH_FLOWS_PORT to another port, or to nothing."
        ) from None
