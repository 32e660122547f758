"""Where the line stands: champion and challenger, what would run, the last runs, and where everything lies."""

from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.text import Text

from components.errors import WorkspaceBusy
from components.params import Params
from components.registry import Registry
from components.settings import Settings
from flows.endings import Ending, read_endings
from flows.graph import open_graph
from flows.report import print_runs
from flows.runs import Run, Runs
from flows.why import Explanation, explain
from flows.workspace import exclusive

LAST_RUNS = 5


@dataclass(frozen=True)
class Status:
    """The state of the line at one moment.

    Attributes:
        name: of the registered model.
        champion: the version that is served, if any.
        challenger: the version that was registered last, if any.
        line: in words, whether anything would run.
        runs: the last runs, the oldest first.
        flows: how the last run of each deployment ended, as far as one has.
        places: where things are, by name.
    """

    name: str
    champion: int | None
    challenger: int | None
    line: str
    runs: tuple[Run, ...]
    flows: tuple[Ending, ...]
    places: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        """The same as plain values."""
        records = {"runs": self.runs, "flows": self.flows}
        return asdict(self) | {name: [one.model_dump(mode="json") for one in found] for name, found in records.items()}


def read_status(params: Params, settings: Settings) -> Status:
    """Asks the registry, DVC and the journal of runs.

    Raises:
        TunesmithError: one of them cannot be reached or read.
    """
    aliases = Registry(settings, params.name)
    return Status(
        name=params.name,
        champion=aliases.champion(),
        challenger=aliases.challenger(),
        line=_line(settings),
        runs=tuple(Runs(settings.home).all()[-LAST_RUNS:]),
        flows=read_endings(settings.home),
        places=_places(settings),
    )


def _line(settings: Settings) -> str:
    try:
        with exclusive(settings), open_graph() as graph:
            return _told(explain(graph, settings.home / "trees"))
    except WorkspaceBusy as busy:
        return str(busy)


def _told(explanations: list[Explanation]) -> str:
    certain, possible = ([one.stage for one in explanations if one.state == state] for state in ("will run", "may run"))
    if not certain:
        return "Every stage is unchanged."
    rest = f", and perhaps {', '.join(possible)}" if possible else ""
    return f"'tunesmith run' would run {', '.join(certain)}{rest}. 'tunesmith why' says why."


def _places(settings: Settings) -> dict[str, str]:
    return {
        "data": "data/, models/ and reports/, by stage",
        "report": "reports/evaluate/report.html",
        "tracking and registry": settings.shown_tracking_address,
        "orchestration": settings.shown_prefect_address or f"in process, {settings.home / 'prefect'}",
        "logs of the stages": str(settings.home / "logs"),
        "server": f"http://{settings.host}:{settings.port}",
    }


def print_status(status: Status, console: Console) -> None:
    """The same for a person."""
    for alias, version in (("champion", status.champion), ("challenger", status.challenger)):
        console.print(
            f"{alias:<12}{'none yet' if version is None else f'{status.name} version {version}'}", highlight=False
        )
    console.print(Text(f"{'line':<12}{status.line}"), soft_wrap=True)
    if status.runs:
        console.print()
        print_runs(status.runs, console)
        if status.runs[-1].outcome == "failed":
            console.print(Text(f"The last run failed: {status.runs[-1].sentence}"), soft_wrap=True)
    if status.flows:
        console.print()
    for flow in status.flows:
        console.print(Text(flow.sentence(), style="bold red" if flow.why else ""), soft_wrap=True)
    console.print()
    for name, place in status.places.items():
        console.print(Text(f"{name:<24}{place}"), soft_wrap=True)
