"""A line of four trivial but real stages in a folder of its own, with real DVC, a real Prefect and real processes."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.places import REPOSITORY

STAGE = """
import sys, time
from pathlib import Path
from components.errors import DataError, RegistryError
from components.stage import run_stage


def run(params, settings):
    name = sys.argv[1]
    with open("begun.log", "a") as log:
        log.write(name + "\\n")
    if Path(f"{name}.fail").exists():
        Path(f"{name}.fail").rename(f"{name}.failed")
        raise DataError("row 7 has no label.\\nGive it one.")
    if Path(f"{name}.away").exists():
        raise RegistryError("The registry is away.")
    if Path(f"{name}.crash").exists():
        raise ValueError("nobody foresaw this")
    if Path(f"{name}.full").exists():
        Path("/dev/full").write_text("no byte more")
    while Path(f"{name}.wait").exists():
        time.sleep(0.02)
    folder = Path("data") / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "value").write_text(f"{name} {params.seed if name == 'source' else params.train.epochs}")
    print(f"{name} made its output")
    print(f"a word of {name} on stderr", file=sys.stderr)


run_stage(sys.argv[1], run)
"""
GRAPH = """
stages:
  score:
    desc: comes last, though it stands first
    cmd: exec python components/toy.py score
    deps: [components/toy.py, data/model, data/champion]
    outs: [data/score]
  source:
    cmd: exec python components/toy.py source
    deps: [components/toy.py]
    params: [seed]
    outs: [data/source]
  champion:
    cmd: exec python components/toy.py champion
    deps: [components/toy.py]
    params: [name]
    outs: [data/champion]
  model:
    cmd: exec python components/toy.py model
    deps: [components/toy.py, components/net, data/source/value]
    params: [train]
    outs: [data/model]
"""


def make_line(root: Path) -> Path:
    """Writes the workspace; nothing in it has run."""
    for name in (".dvc/config", ".dvc/.gitignore", ".dvcignore", ".gitignore"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, root / name)
    shutil.copy(REPOSITORY / "presets/digits.yaml", root / "params.yaml")
    (root / "dvc.yaml").write_text(GRAPH)
    (root / "components/net").mkdir(parents=True)
    (root / "components/toy.py").write_text(STAGE)
    (root / "components/net/layers.py").write_text("LAYERS = 3\n")
    (root / "components/net/loss.py").write_text("LOSS = 'l2'\n")
    subprocess.run(["git", "init", "-q", root], check=True)
    return root


def environment(**more: str) -> dict[str, str]:
    """The environment of a shell in which no virtual environment is activated."""
    ours = str(Path(sys.executable).parent)
    path = os.pathsep.join(part for part in os.environ["PATH"].split(os.pathsep) if part != ours)
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("TUNESMITH_", "PREFECT_"))}
    return inherited | {"PATH": path, "PYTHONPATH": str(REPOSITORY), "COLUMNS": "200"} | more


def tunesmith(root: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Runs a command of tunesmith to its end."""
    return subprocess.run(
        command(*arguments), check=False, cwd=root, env=environment(**more), capture_output=True, text=True
    )


def start(root: Path, *arguments: str, **more: str) -> subprocess.Popen[str]:
    """Starts a command of tunesmith, which Ctrl-C ends."""
    with heeding_interrupts():
        return subprocess.Popen(
            command(*arguments),
            cwd=root,
            env=environment(**more),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


@contextlib.contextmanager
def heeding_interrupts() -> Iterator[None]:
    """What is started meanwhile is ended by Ctrl-C, even where the tests run in the background and ignore it."""
    ignored = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, ignored)


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "flows.cli", *arguments]


def repro(root: Path) -> None:
    """DVC's own way to run the line."""
    path = {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    subprocess.run(["dvc", "repro", "-q"], cwd=root, env=environment(**path), check=True, capture_output=True)


def begun(root: Path) -> list[str]:
    """The stages whose command was started, in that order."""
    log = root / "begun.log"
    return log.read_text().split() if log.exists() else []


def edit(path: Path, before: str, after: str) -> None:
    """Replaces a text that stands in the file once."""
    text = path.read_text()
    assert text.count(before) == 1, f"{before!r} stands {text.count(before)} times in {path}"
    path.write_text(text.replace(before, after))
