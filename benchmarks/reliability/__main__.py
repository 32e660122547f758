"""Runs the experiments that the command line names, or all of them; exits with 1 if a promise was broken.

The figures are kept in ``reports/benchmarks/reliability.json``, those of experiments that were not run among them.
"""

import sys
from pathlib import Path

from rich.console import Console

from benchmarks.choice import chosen
from benchmarks.reliability import disk, kills, outages, promotions, twice
from benchmarks.reliability.finding import Finding
from components.contracts import REPORTS
from components.files import read_json, write_json

EXPERIMENTS = {
    "kills": kills.main,
    "twice": twice.main,
    "disk": disk.main,
    "outages": outages.main,
    "promotions": promotions.main,
}
KEPT = REPORTS / "benchmarks" / "reliability.json"


def main() -> int:
    """Runs, keeps and tells."""
    console = Console()
    kept = True
    for name in chosen("python -m benchmarks.reliability", "Breaks what may break, for real.", EXPERIMENTS):
        console.print(f"Trying {name} …")
        findings = EXPERIMENTS[name]()
        keep(KEPT, name, findings)
        for finding in findings:
            kept &= finding.kept
            tell(console, finding)
    return 0 if kept else 1


def keep(path: Path, name: str, findings: list[Finding]) -> None:
    """Writes what an experiment found beside what the others did."""
    before = read_json(path) if path.exists() else {}
    write_json(path, before | {name: [finding.model_dump(mode="json") for finding in findings]})


def tell(console: Console, finding: Finding) -> None:
    """The same for a person."""
    console.print(f"{'kept' if finding.kept else 'BROKEN'}: {finding.promise} {finding.figures}", soft_wrap=True)
    for sentence in finding.seen:
        console.print(f"    {sentence}", markup=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
