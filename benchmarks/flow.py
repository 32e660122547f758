"""What the orchestration costs: the share of a full run, and an unchanged run against DVC's own no-op.

Both in a fresh copy of the repository with the default params, on Fashion-MNIST. The overhead of a run is what is left
of its wall time without its stages and steps (imports, Prefect's server, its last log lines), and for each stage what
starting it through DVC costs beyond the command itself, which is measured on a stage that does nothing.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.ratio import Ratio
from benchmarks.workspace import ROOT, timed, workspace

ROUNDS = 5
NOTHING = "stages:\n  nothing:\n    cmd: exec python -c ''\n    always_changed: true\n"


def seconds_to_start_a_stage() -> float:
    """What DVC and the process around a stage cost beyond its command; median."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        shutil.copytree(ROOT / ".dvc", root / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp"))
        (root / "dvc.yaml").write_text(NOTHING)
        subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
        reproduce = [sys.executable, "-m", "flows.stage_reproduction", "nothing", "--parent", str(os.getpid())]
        command = [sys.executable, "-c", ""]
        for name in ("flows", "components"):
            (root / name).symlink_to(ROOT / name)
        return median(timed(reproduce, root)[0] - timed(command, root)[0] for _ in range(ROUNDS))


def overhead(wall: float, run: dict[str, Any], start: float) -> tuple[float, str]:
    """The share of a run that is not its stages' own work, and how it is made up."""
    seconds = {stage["stage"]: stage["seconds"] for stage in run["stages"]}
    beside = min(seconds["fetch"], seconds["champion"])  # these two run at the same time
    around = wall - sum(seconds.values()) + beside
    stages = len(seconds) - 3  # register, gate and promote are tasks of the flow's own process
    note = f"run {wall:.0f} s; {around:.1f} s around the stages, {start:.2f} s to start each of {stages}"
    return (around + stages * start) / wall, note


def main() -> list[Ratio]:
    """Measures and returns both ratios."""
    start = seconds_to_start_a_stage()
    with workspace() as root:
        run = [sys.executable, "-m", "flows.cli", "run"]
        wall, printed = timed([*run, "--json"], root)
        share, note = overhead(wall, json.loads(printed), start)
        pairs = [(timed(run, root)[0], timed(["dvc", "repro", "--quiet"], root)[0]) for _ in range(ROUNDS)]
    return [
        Ratio("flow: overhead / wall time of a full run", share, "≤ 0.10", (share, share), note),
        Ratio.of(
            "flow: an unchanged run / dvc repro's own no-op",
            [ours / theirs for ours, theirs in pairs],
            "≤ 1.5",
            f"{median(pair[0] for pair in pairs):.2f} s and {median(pair[1] for pair in pairs):.2f} s, {ROUNDS} pairs",
        ),
    ]
