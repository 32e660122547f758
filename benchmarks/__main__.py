"""``make bench``: every benchmark, and one table of ratios beside their targets.

Exits with 1 if a target was missed. The figures are kept in ``reports/benchmarks/ratios.json``.
"""

import sys
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from benchmarks import capacity, drift, flow, memory, nets, serving, sweeps, training
from benchmarks.choice import chosen
from benchmarks.ratio import Ratio
from components.contracts import REPORTS
from components.files import write_json

BENCHMARKS = {
    "training": training.main,
    "nets": nets.main,
    "memory": memory.main,
    "sweeps": sweeps.main,
    "flow": flow.main,
    "drift": drift.main,
    "serving": serving.main,
    "capacity": capacity.main,
}


def shown(ratios: list[Ratio]) -> Table:
    """The table that a person reads."""
    table = Table("what", "ratio", "from", "to", "target", "", box=None, pad_edge=False)
    for ratio in ratios:
        low, high = ratio.spread
        kept = "[green]kept[/]" if ratio.kept else "[red]missed[/]"
        table.add_row(ratio.name, f"{ratio.value:.2f}", f"{low:.2f}", f"{high:.2f}", ratio.target, kept)
        table.add_row(f"  [dim]{ratio.note}[/]")
    return table


def main() -> int:
    """Runs the benchmarks that the command line names, or all of them."""
    console = Console()
    ratios: list[Ratio] = []
    for name in chosen("python -m benchmarks", "Measures speed as ratios in one run.", BENCHMARKS):
        console.print(f"Measuring {name} …")
        ratios += BENCHMARKS[name]()
    write_json(REPORTS / "benchmarks" / "ratios.json", [asdict(ratio) | {"kept": ratio.kept} for ratio in ratios])
    console.print(shown(ratios))
    return 0 if all(ratio.kept for ratio in ratios) else 1


if __name__ == "__main__":
    sys.exit(main())
