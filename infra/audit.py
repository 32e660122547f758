"""Asks a database of vulnerabilities (osv.dev, by pip-audit) about every package that is pinned here.

``python infra/audit.py`` fails where a version is known to be vulnerable and another one is not: take that one. What
nobody has mended yet is told, and fails nothing. ``--if-reachable`` is for checks that must do without the internet: it
says that nothing was asked, and does not fail.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PINS = (ROOT / "constraints.txt", *sorted((ROOT / "infra" / "formats").glob("*.txt")))
OSV = "https://api.osv.dev/v1/query"
UNREACHED = "requests.exceptions."
"""What the end of pip-audit's log has in it, if the database gave no answer."""
ACCEPTED: dict[str, str] = {}
"""Vulnerabilities whose mended version cannot be taken yet: their ids, and why they cannot hurt here."""


@dataclass(frozen=True)
class Vulnerability:
    """A vulnerability of a pinned version.

    Attributes:
        package: with its version.
        name: its id.
        mended: versions without it.
    """

    package: str
    name: str
    mended: tuple[str, ...]

    def __str__(self) -> str:
        """What a person is to know of it, on a line."""
        if self.name in ACCEPTED:
            return f"{self.package}: {self.name} is accepted: {ACCEPTED[self.name]}"
        what = f"take {' or '.join(self.mended)}" if self.mended else "no version without it is known"
        return f"{self.package}: {self.name}, {what}: https://osv.dev/{self.name}"

    @property
    def fails(self) -> bool:
        """Whether something is to be done."""
        return bool(self.mended) and self.name not in ACCEPTED


def main() -> int:
    """Audits the pins, and says what came of it."""
    parser = argparse.ArgumentParser(description="Audits the pinned packages.")
    parser.add_argument("--if-reachable", action="store_true", help="do not fail where the database gives no answer")
    parser.add_argument("--service", default=OSV, help="address of the database")
    parser.add_argument("--pins", type=Path, nargs="+", default=PINS, help="files of pinned packages")
    arguments = parser.parse_args()
    worst = 0
    try:
        for file in arguments.pins:
            worst = max(worst, _audit(file, arguments.service))
    except ConnectionError as error:
        print(f"audit: NOT AUDITED, for {arguments.service} gave no answer. Where it can be reached: make audit")
        print(f"  {error}")
        worst = max(worst, int(not arguments.if_reachable))
    return worst


def _audit(pins: Path, service: str) -> int:
    """Audits a file; 1 where something is to be done.

    Raises:
        ConnectionError: the database gave no answer.
    """
    command = [sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip", "--format", "json"]
    options = ["--progress-spinner", "off", "--vulnerability-service", "osv", "--osv-url", service]
    done = subprocess.run([*command, *options, "-r", str(pins)], check=False, capture_output=True, text=True)
    if not done.stdout:
        last = (done.stderr.strip() or "it said nothing").splitlines()[-1]
        if UNREACHED in last:
            raise ConnectionError(last[:300])
        print(f"audit: pip-audit cannot read {pins}: {last}", file=sys.stderr)
        return 1
    answer = json.loads(done.stdout)
    found = list(_vulnerabilities(answer))
    failing = sum(vulnerability.fails for vulnerability in found)
    for vulnerability in found:
        print(vulnerability)
    print(
        f"{pins.name}: {len(answer['dependencies'])} packages; vulnerabilities: {len(found)}, to be mended: {failing}."
    )
    return int(failing > 0)


def _vulnerabilities(answer: dict[str, Any]) -> Iterator[Vulnerability]:
    for package in answer["dependencies"]:
        for each in package.get("vulns", ()):
            yield Vulnerability(f"{package['name']} {package['version']}", each["id"], tuple(each["fix_versions"]))


if __name__ == "__main__":
    sys.exit(main())
