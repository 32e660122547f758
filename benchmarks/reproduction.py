"""``python -m benchmarks.reproduction``: how far a training comes out apart where sums are rounded in another order.

Three small lines, one a kind of inputs, are run once, and then trained again: as they were, by one thread, by the
kernels of an older processor, and with another seed, which is what the bounds of ``tunesmith reproduce`` must tell from
the others. One row of a Markdown table each is printed as it is measured; docs/reproduce.md has such a table.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.choice import chosen
from benchmarks.workspace import clone, timed
from components.contracts import PACKAGED
from components.package import ModelPackage
from components.package.model import METRICS, MODEL, WEIGHTS
from flows.reproduction.comparison import Pair, Part, compare
from tests.line.kinds import KINDS, Kind

RETRAINED = ("train", "compress", "evaluate")
OLDER = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_CBWR": "COMPATIBLE"}
"""PyTorch's own kernels without vectors, oneDNN's by SSE 4.1, and MKL's that every processor has."""
AROUND: dict[str, Mapping[str, str]] = {
    "nothing else": {},
    "one thread": {"TUNESMITH_THREADS": "1"},
    "older kernels": OLDER,
}
SHOWN = (WEIGHTS, MODEL, METRICS)


def run(root: Path, *stages: str, **environment: str) -> ModelPackage:
    """Runs stages by force, or the whole line where none is named, and makes its package."""
    dvc = [sys.executable, "-m", "dvc", "repro", "--quiet"]
    variables = [f"{name}={value}" for name, value in environment.items()]
    for command in [[*dvc, "--force", "--single-item", stage] for stage in stages] or [dvc]:
        timed(["env", *variables, *command], root)
    timed([sys.executable, "-m", "components.register.packing"], root)
    return ModelPackage.read(root / PACKAGED)


def measure(kind: Kind, folder: Path) -> None:
    """Runs the line of one kind, then trains it again in each way, and prints how far that is apart."""
    root = folder / kind.name
    clone(root)
    kind.prepare(root)
    then = run(root, TUNESMITH_THREADS="2")
    for around, variables in AROUND.items():
        again = folder / f"{kind.name}-{around.replace(' ', '-')}"
        shutil.copytree(root, again, symlinks=True)
        now = run(again, *RETRAINED, **{"TUNESMITH_THREADS": "2", **variables})
        show(kind, around, then, now, again)
        shutil.rmtree(again)
    params = root / "params.yaml"
    params.write_text(params.read_text().replace("seed: 7", "seed: 8"))
    kept = folder / f"{kind.name}-then"
    shutil.copytree(then.folder, kept)
    show(kind, "another seed", ModelPackage.read(kept), run(root, TUNESMITH_THREADS="2"), root)


def show(kind: Kind, around: str, then: ModelPackage, now: ModelPackage, root: Path) -> None:
    """Prints how far two packages are apart, the second of which was made in ``root``."""
    parts = {part.name: part for part in compare(Pair.of(then, now, root))}
    print(f"| {kind.name} | {around} | {' | '.join(_cell(parts[name]) for name in SHOWN)} |", flush=True)


def _cell(part: Part) -> str:
    if part.difference is None or part.bound is None:
        return part.outcome
    return f"{part.difference:.2g} of {part.bound:.2g}"


def main() -> None:
    """Measures the kinds that the command line names, or all of them."""
    if (os.cpu_count() or 1) < 2:
        sys.exit("This takes two processors at least: one thread is compared with two.")
    print("| inputs | what was changed | weights | answers | score |\n|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen("python -m benchmarks.reproduction", "Tells apart sums of another order.", KINDS):
            measure(KINDS[name], Path(folder))


if __name__ == "__main__":
    main()
