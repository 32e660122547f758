"""One window: read from the log, judged, written down, and shown."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from components.contracts import ClassTarget, Record
from components.errors import RegistryError
from components.monitor.forgetting import forget
from components.monitor.history import alarms, judged_windows, keep, monitor_folder, reign_of
from components.monitor.observed import Observed
from components.monitor.pages import write_pages
from components.monitor.quality import finding_of, quality_of
from components.monitor.record import Finding, JudgedWindow, Quality
from components.monitor.service import findings_of, requests_of
from components.monitor.watched import Watched, watch
from components.params import Params
from components.params.sections.monitor import Kind, MonitorParams
from components.predictions import by, prediction_columns, predictions_folder, read
from components.registry import Registry
from components.rolling import now, tables
from components.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa


class Waiting(Record):
    """There is no window yet."""

    model: str
    version: int
    samples: int
    """Answered since the last window."""
    window: int
    again: datetime | None
    """Before which no other is judged; None: as soon as there are enough samples."""

    def sentence(self) -> str:
        """The same in words."""
        told = f"Version {self.version} has answered {self.samples:,} samples since the last window of {self.window:,}"
        return f"{told}; the next is judged from {self.again:%H:%M:%S} UTC on." if self.again else f"{told}."


def monitor(
    params: Params, settings: Settings, walked: Callable[[int], None] = lambda windows: None
) -> JudgedWindow | Waiting:
    """Judges the last window of the champion's answers, if there is one.

    Args:
        params: the whole of params.yaml.
        settings: where registry and logs are.
        walked: told of each window that is drawn to find the thresholds.

    Raises:
        RegistryError: there is no champion, or the registry cannot be reached.
        PackageError: the champion's package does not verify.
        DataError: its reference is too small for such windows.
    """
    registry = Registry(settings, params.name)
    number = registry.champion()
    if number is None:
        raise RegistryError(f"'{params.name}' has no champion, so nobody answers. `tunesmith run` makes one.")
    champion = registry.version(number)
    folder = monitor_folder(settings, params.name)
    windows = judged_windows(folder)
    before = reign_of(champion.digest, windows)
    section, at = params.monitor, now()
    times = _answered(settings, params.name, champion.digest, windows[-1].until if windows else None)
    again = before[-1].judged + timedelta(minutes=section.every_minutes) if before else at
    if len(times) < section.window or at < again:
        return Waiting(
            model=params.name,
            version=number,
            samples=len(times),
            window=section.window,
            again=again if at < again else None,
        )
    watched = watch(registry, champion, section, folder, params.seed, walked)
    rows = _last(settings, params.name, champion.digest, times[-section.window].as_py(), section.window)
    window = judge(settings, params.name, section, watched, rows, before, at)
    keep(folder, window)
    windows.append(window)
    forget(folder, windows, at - timedelta(days=settings.log_days))
    write_pages(folder, windows, rows, watched, section)
    return window


def _answered(settings: Settings, model: str, package: str, after: datetime | None) -> "pa.ChunkedArray":
    """When the version has answered since, ascending: of days of traffic, the times are what fits into memory."""
    import pyarrow as pa
    import pyarrow.compute as pc

    known = prediction_columns()
    found = tables(predictions_folder(settings, model), after, columns=["time"], filters=by(package), schema=known)
    rows = pa.concat_tables([known.empty_table().select(["time"]), *found]).sort_by("time")
    return rows["time"] if after is None else rows.filter(pc.greater(rows["time"], pa.scalar(after)))["time"]


def _last(settings: Settings, model: str, package: str, since: datetime, count: int) -> "pa.Table":
    """The last answers of the version, the oldest first, none of which is from before."""
    wanted = read(predictions_folder(settings, model), prediction_columns(), since, wanted=by(package))
    rows = wanted.sort_by("time")
    return rows.slice(len(rows) - count)


def judge(
    settings: Settings,
    model: str,
    params: MonitorParams,
    watched: Watched,
    rows: "pa.Table",
    before: list[JudgedWindow],
    at: datetime,
) -> JudgedWindow:
    """What is to be said of a window.

    Args:
        settings: where the logs are.
        model: name of the registered model.
        params: the section.
        watched: the version that answered.
        rows: of the prediction log, the oldest first.
        before: windows since this version is champion, the oldest first.
        at: when this is.
    """
    target = watched.package.signature.target
    labels = target.labels if isinstance(target, ClassTarget) else ()
    since, until = rows["time"][0].as_py(), rows["time"][-1].as_py()
    outcomes = requests_of(settings, model, before[-1].judged if before else since, at)
    findings = list(watched.tests.findings(Observed.of_log(rows, labels), watched.thresholds))
    if params.service:
        findings += findings_of(outcomes, rows["latency_ms"], params.service)
    quality: Quality | None = None
    if params.quality:
        quality = quality_of(settings, model, watched.registered, target, params.quality, params.window)
        found = finding_of(quality, watched.promised, params.quality)
        findings += [found] if found else []
    firing = _firing(findings)
    raised, standing = alarms(before, firing, at, params)
    return JudgedWindow(
        model=model,
        version=watched.registered.version,
        package=watched.registered.digest,
        since=since,
        until=until,
        judged=at,
        samples=len(rows),
        findings=tuple(findings),
        quality=quality,
        requests=int(np.sum(outcomes["requests"].to_numpy())) if len(outcomes) else None,
        firing=firing,
        raised=raised,
        standing=standing,
    )


def _firing(findings: list[Finding]) -> tuple[Kind, ...]:
    return tuple(dict.fromkeys(found.kind for found in findings if found.fires))
