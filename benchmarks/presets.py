"""``make presets``: every params file of ``presets/`` on the whole line, each in a fresh workspace, and one table.

The table is written to ``docs/presets.md``. What was measured is kept in ``reports/benchmarks/presets.json``; a preset
is run again only when its file or the code of the line has changed, so a killed run is gone on with.
"""

import hashlib
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from benchmarks.behaviour import TESTS, Behaviour, behaviour_of
from benchmarks.choice import chosen
from benchmarks.frontiers import Reached, frontier_table, reached_by
from benchmarks.workspace import ROOT, timed, workspace
from components.contracts import (
    COMPRESSED,
    EVALUATED,
    REPORTS,
    TRAINED,
    ClassificationMetrics,
    Compressed,
    Evaluated,
    Record,
    RegressionMetrics,
    TrainedModel,
)
from components.files import read_json, write_json, write_text
from components.lineage import code_tree, tree_digest
from components.params import Params, load_params
from components.settings import Settings

PRESETS = ROOT / "presets"
KEPT = ROOT / REPORTS / "benchmarks" / "presets.json"
PAGE = ROOT / "docs" / "presets.md"
HEAD = """# The presets, measured

`make presets` runs params.yaml and each file of `presets/` but `digits`, which is for data of your own, on the whole
line, from the fetched data to a promoted version, in a fresh workspace, and writes this table. Scores are on the whole
test split; the baseline is run beside the model, on the same samples. Behaviour is how many tests of `tests/behaviour`
the promoted model passes. The times are those of one machine
({processors} processors; where a training had one thread, another one ran beside it), and not of yours.

{columns}
{rule}
"""


COLUMNS = (
    "preset", "task", "network", "parameters", "score", "more", "baseline", "behaviour", "threads",
    "training, s", "samples/s", "whole line, s", "served", "size, kB",
)  # fmt: skip


class Measured(Record):
    """What one preset came to."""

    digest: str
    """Of its file and of the line's code."""
    task: str
    network: str
    parameters: int
    score: str
    """The score of the served model on the test split, in words."""
    more: str
    """A second measure of it."""
    baseline: str
    behaviour: Behaviour | None = None
    """What the tests of behaviour found; records of before there were any lack it."""
    threads: int
    """Of a training."""
    training_seconds: float
    samples_per_second: float
    """Training samples, without validation."""
    line_seconds: float
    served: str
    kilobytes: float
    frontier: tuple[Reached, ...] = ()
    """Every variant of the compression; records of before there were any lack it."""


def digest_of(preset: Path) -> str:
    """Changes with the file, with the code of the line, and with the tests of behaviour."""
    code = [tree_digest(code_tree(folder)) for folder in (ROOT / "components", TESTS)]
    return hashlib.sha256(preset.read_bytes() + "".join(code).encode()).hexdigest()


def measure(preset: Path) -> Measured:
    """Runs the line on a preset in a fresh workspace."""
    params = load_params(preset)
    with workspace() as root:
        (root / "params.yaml").write_bytes(preset.read_bytes())
        seconds, _ = timed([sys.executable, "-m", "flows.cli", "run", "--json"], root, shown=True)
        return read_measures(root, params, seconds, digest_of(preset))


def read_measures(root: Path, params: Params, line_seconds: float, digest: str) -> Measured:
    """Reads what the line has left in a workspace, and tests the behaviour of what it promoted."""
    trained = TrainedModel.read(root / TRAINED / "trained.json")
    compressed = Compressed.read(root / COMPRESSED / "compressed.json")
    evaluated = Evaluated.read(root / EVALUATED / "evaluated.json")
    history = read_json(root / REPORTS / "train" / "history.json")
    served = compressed.best
    samples = read_json(root / "data" / "ingested" / "ingested.json")["samples"]["train"] * len(history)
    training = sum(epoch["seconds"] for epoch in history)
    score, more, baseline_score = _scores(evaluated)
    return Measured(
        digest=digest,
        task=params.task,
        network=params.train.network.name,
        parameters=trained.parameters,
        score=score,
        more=more,
        baseline=f"{evaluated.baseline.name} {baseline_score}",
        behaviour=behaviour_of(root),
        threads=Settings().threads or os.cpu_count() or 1,
        training_seconds=training,
        samples_per_second=samples / training,
        line_seconds=line_seconds,
        served=served.name,
        kilobytes=served.graph.bytes / 1000,
        frontier=reached_by(compressed, evaluated),
    )


def _scores(evaluated: Evaluated) -> tuple[str, str, str]:
    """Score, a second measure, and the baseline's score, in words."""
    match evaluated.chosen:
        case ClassificationMetrics(accuracy=accuracy, macro_f1=f1):
            return f"{accuracy:.2%}", f"macro F1 {f1:.4f}", f"{evaluated.baseline.score:.2%}"
        case RegressionMetrics(r2=r2, rmse=rmse):
            return f"R² {r2:.4f}", f"RMSE {rmse:.4g}", f"R² {evaluated.baseline.score:.4f}"


def page(measured: dict[str, Measured], processors: int) -> str:
    """The table as Markdown."""
    head = HEAD.format(processors=processors, columns=_row(COLUMNS), rule=_row("---" for _ in COLUMNS))
    rows = "".join(f"{_row(_cells(name, one))}\n" for name, one in measured.items())
    faults = "".join(
        f"- {name}: `{test}`\n" for name, one in measured.items() if one.behaviour for test in one.behaviour.failed
    )
    behaviour = f"\nTests of behaviour that a model does not pass:\n\n{faults}" if faults else ""
    return head + rows + behaviour + frontier_table({name: one.frontier for name, one in measured.items()})


def _cells(name: str, one: Measured) -> list[str]:
    counts = (one.training_seconds, one.samples_per_second, one.line_seconds)
    file = f"{name}.yaml" if name == "params" else f"presets/{name}.yaml"
    return [
        f"[{name}](../{file})", one.task, one.network, f"{one.parameters:,}", one.score, one.more,
        one.baseline, one.behaviour.shown if one.behaviour else "", str(one.threads),
        *(f"{count:,.0f}" for count in counts), one.served, f"{one.kilobytes:,.0f}",
    ]  # fmt: skip


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Runs the presets that the command line names, or all of them."""
    console = Console(stderr=True)
    kept = {name: Measured(**value) for name, value in json.loads(KEPT.read_text()).items()} if KEPT.exists() else {}
    presets = {preset.stem: preset for preset in (ROOT / "params.yaml", *sorted(PRESETS.glob("*.yaml")))}
    for name in chosen("python -m benchmarks.presets", "Runs presets on the whole line.", presets):
        preset = presets[name]
        if load_params(preset).fetch.dataset == "none":
            console.print(f"{name}: left out, it is for data of one's own.")
            continue
        if name in kept and kept[name].digest == digest_of(preset):
            console.print(f"{name}: unchanged, {kept[name].score}.")
            continue
        console.print(f"{name}: the whole line …")
        kept[name] = measure(preset)
        console.print(f"{name}: {kept[name].score}, training {kept[name].training_seconds:.0f} s.")
        write_json(KEPT, {each: one.model_dump(mode="json") for each, one in sorted(kept.items())})
    write_text(PAGE, page(dict(sorted(kept.items())), os.cpu_count() or 1))
    print(PAGE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
