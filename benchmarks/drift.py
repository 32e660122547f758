"""The monitor on Fashion-MNIST: false alarms over windows without drift, and the smallest drift that it finds.

The default line, on nine of the ten classes: the tenth is the class that nobody has seen. Windows are drawn from the
test split, which the reference (of the validation split) knows nothing of, and judged with params.yaml's own section
``monitor``: its tests, its window, its budget.
"""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import track
from ruamel.yaml import YAML
from scipy import ndimage

from benchmarks.ratio import Ratio
from benchmarks.workspace import timed, workspace
from components.contracts import FETCHED, PREPARED, REPORTS, LabelledArrays
from components.files import write_json
from components.inference import open_graph, outputs
from components.ingest.images.idx_file import IdxFile
from components.monitor.observed import Observed
from components.monitor.watched import Watched, watch
from components.package.model import REFERENCE
from components.package.reference import DriftReference
from components.params import load_params
from components.params.sections.monitor import MonitorParams
from components.registry import Registry
from components.settings import Settings
from components.tasks.intervals import wilson_interval
from components.tasks.summaries import summarise

UNSEEN = 9
WINDOWS = 10_000
"""Without drift: the budget lets one in hundreds alarm, so fewer would not tell it apart from another one."""
BLOCK = 1000
TRIES = 20
"""Windows of each strength; it is found where the monitor fires in 19 of them."""
FOUND = 0.95
REPORT = REPORTS / "benchmarks" / "drift.json"
Images = NDArray[np.uint8]


@dataclass(frozen=True)
class Drift:
    """One way in which traffic changes.

    Attributes:
        name: in the table, with the unit of its strength.
        strengths: the weakest first.
        window: draws one: images (samples, 28, 28, 1).
    """

    name: str
    strengths: tuple[float, ...]
    window: Callable[["Traffic", float, int], Images]


class Traffic:
    """Pictures of the nine classes that the model knows, and of the one that it does not.

    Args:
        test: split of the nine.
        unseen: (samples, 28, 28, 1).
    """

    def __init__(self, test: LabelledArrays, unseen: Images) -> None:
        self.test, self.unseen = test, unseen
        self.rng = np.random.default_rng(17)

    def rows(self, count: int) -> NDArray[np.int64]:
        """Samples of the test split, drawn without one twice: (count,)."""
        return self.rng.permutation(len(self.test.inputs))[:count]

    def calm(self, count: int) -> Images:
        """Without drift."""
        picked: Images = self.test.inputs[self.rows(count)]
        return picked

    def mixed(self, others: Images, share: float, count: int) -> Images:
        """A share of others among them."""
        few = round(share * count)
        return np.concatenate([others[self.rng.permutation(len(others))[:few]], self.calm(count - few)])


def rotated(traffic: Traffic, degrees: float, count: int) -> Images:
    """By one angle."""
    turned: Images = ndimage.rotate(traffic.calm(count), degrees, axes=(1, 2), reshape=False, order=1)
    return turned


def noisy(traffic: Traffic, deviation: float, count: int) -> Images:
    """With Gaussian noise, in grey levels."""
    images = traffic.calm(count)
    return np.clip(images + traffic.rng.normal(0, deviation, images.shape), 0, 255).astype(np.uint8)


def darkened(traffic: Traffic, share: float, count: int) -> Images:
    """By a share of all light."""
    return (traffic.calm(count) * (1 - share)).astype(np.uint8)


def shifted(traffic: Traffic, share: float, count: int) -> Images:
    """More of the first class, so that a share of the window is of it beyond its own."""
    return traffic.mixed(traffic.test.inputs[traffic.test.labels == 0], share, count)


def unseen(traffic: Traffic, share: float, count: int) -> Images:
    """A share of a class that training never saw."""
    return traffic.mixed(traffic.unseen, share, count)


DRIFTS = (
    Drift("rotated, degrees", (0.1, 0.2, 0.5, 1, 2, 5, 10, 20), rotated),
    Drift("noise, deviation of 255 grey levels", (0.2, 0.5, 1, 2, 4, 8, 16), noisy),
    Drift("darkened, share of the light", (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3), darkened),
    Drift("one class more often, share of the window", (0.02, 0.05, 0.08, 0.1, 0.12, 0.15, 0.2), shifted),
    Drift("an unseen class, share of the window", (0.01, 0.02, 0.05, 0.08, 0.1, 0.12, 0.15, 0.2), unseen),
)


class Monitor:
    """A registered version, and the monitor of its traffic.

    Args:
        watched: the version.
    """

    def __init__(self, watched: Watched) -> None:
        self._watched, package = watched, watched.package
        self._signature, self._session = package.signature, open_graph(package.graph)
        self._reference = DriftReference.load(package.folder / REFERENCE)

    def firing(self, window: Observed) -> set[str]:
        """The kinds of drift that a window shows."""
        found = self._watched.tests.findings(window, self._watched.thresholds)
        return {finding.kind for finding in found if finding.fires}

    def observed(self, images: Images) -> Observed:
        """What the monitor gets to see of images that were answered."""
        answers, features = outputs(self._session, [self._signature.target.output, "features"], images)
        return Observed(
            summaries=summarise(self._signature.inputs, images),
            features=self._reference.project(features),
            answers=answers.max(axis=1),
            classes=answers.argmax(axis=1).astype(np.int32),
        )


def main() -> list[Ratio]:
    """Measures, prints both tables, and writes ``reports/benchmarks/drift.json``."""
    with workspace() as root:
        _leave_one_class_out(root / "params.yaml")
        _, printed = timed([sys.executable, "-m", "flows.cli", "run", "--json"], root)
        with chdir(root):
            params, settings = load_params(), Settings()
            registry = Registry(settings, params.name)
            version = registry.version(json.loads(printed)["version"])
            watched = watch(registry, version, params.monitor, Path("monitor"), params.seed)
            traffic = Traffic(LabelledArrays.load(PREPARED / "test"), _unseen())
            monitor = Monitor(watched)
    alarms = _alarms(monitor, traffic, params.monitor.window)
    found = list(_found(monitor, traffic, params.monitor.window))
    _show(alarms, params.monitor.rate, found)
    report = {"windows": WINDOWS, "alarms": int(alarms.sum()), "most_in_a_thousand": _most(alarms)}
    write_json(REPORT, report | {"rate": params.monitor.rate, "found": found})
    return _ratios(int(alarms.sum()), params.monitor)


def _leave_one_class_out(params: Path) -> None:
    yaml = YAML()
    document = yaml.load(params)
    del document["ingest"]["source"]["labels"][UNSEEN]
    document["validate"]["max_quarantined_share"] = 0.2
    yaml.dump(document, params)


def _unseen() -> Images:
    """The pictures of the class that was left out, of the source's test split."""
    images, labels = (
        np.concatenate(list(IdxFile.open(next(FETCHED.glob(f"t10k-{kind}*")), dimensions).batches()))
        for kind, dimensions in (("images", 3), ("labels", 1))
    )
    chosen: Images = images[labels == UNSEEN][..., None]
    return chosen


def _alarms(monitor: Monitor, traffic: Traffic, window: int) -> NDArray[np.bool_]:
    """Which windows without drift alarm: (WINDOWS,)."""
    seen = monitor.observed(traffic.test.inputs)
    windows = (traffic.rows(window) for _ in track(range(WINDOWS), "without drift"))
    return np.array([bool(monitor.firing(_picked(seen, rows))) for rows in windows])


def _most(alarms: NDArray[np.bool_]) -> int:
    """Alarms in the worst block."""
    return int(alarms.reshape(-1, BLOCK).sum(axis=1).max())


def _picked(seen: Observed, rows: NDArray[np.int64]) -> Observed:
    return Observed(seen.summaries[rows], seen.features[rows], seen.answers[rows], seen.classes[rows])


def _found(monitor: Monitor, traffic: Traffic, window: int) -> Iterator[dict[str, Any]]:
    """How often each drift is found at each strength, and by what."""
    for drift in DRIFTS:
        for strength in drift.strengths:
            fired = [monitor.firing(monitor.observed(drift.window(traffic, strength, window))) for _ in range(TRIES)]
            kinds = Counter(kind for each in fired for kind in each)
            yield {
                "drift": drift.name,
                "strength": strength,
                "found": sum(map(bool, fired)) / TRIES,
                "kinds": {kind: count / TRIES for kind, count in kinds.most_common()},
            }


def _show(alarms: NDArray[np.bool_], rate: float, found: list[dict[str, Any]]) -> None:
    low, high = wilson_interval(int(alarms.sum()), len(alarms))
    print(
        f"{alarms.sum()} of {len(alarms):,} windows without drift alarm, {alarms.mean():.3%} (95 %: {low:.3%} to "
        f"{high:.3%}; at most {_most(alarms)} of {BLOCK:,} in a row); {rate:.3%} are allowed"
    )
    for each in found:
        kinds = ", ".join(f"{kind} {share:.0%}" for kind, share in each["kinds"].items())
        print(f"{each['drift']:45}{each['strength']:>8g}{each['found']:>8.0%}  {kinds}")


def _ratios(alarms: int, params: MonitorParams) -> list[Ratio]:
    low, high = wilson_interval(alarms, WINDOWS)
    note = (
        f"{alarms} of {WINDOWS} windows of {params.window}; 95 %: {low:.4f} to {high:.4f}; allowed {params.rate:.4f} "
        f"({params.alarms_per_month:g} a month)"
    )
    shares = [share / params.rate for share in (low, high)]
    name = "drift: alarms without drift / those of the budget"
    return [Ratio(name, alarms / WINDOWS / params.rate, "≤ 1.0", (shares[0], shares[1]), note)]


if __name__ == "__main__":
    main()
