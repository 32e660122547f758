"""The whole of a reproduction: version, clone, data, environment, line, comparison."""

import dataclasses
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from components.contracts import PACKAGED
from components.package import ModelPackage
from components.settings import Settings
from flows.board import shown
from flows.reproduction.checkout import check_out, inside
from flows.reproduction.comparison import Pair, compare
from flows.reproduction.interpreter import interpreter_of
from flows.reproduction.line import run_line
from flows.reproduction.origin import Origin, fetch_origin
from flows.reproduction.place import Journal, Place
from flows.reproduction.sources import find_sources, require_restored
from flows.reproduction.verdict import Reproduction, surroundings
from flows.workspace import exclusive


def reproduce(settings: Settings, name: str, number: int, into: Path | None, console: Console) -> Reproduction:
    """Makes a version again in a folder of its own, and compares; goes on where it was killed.

    Args:
        settings: of the workspace, which is the working directory.
        name: of the registered model.
        number: of the version.
        into: the folder; None: one in the home folder.
        console: where the progress is shown.

    Raises:
        TunesmithError: the version cannot be reproduced, or a stage failed.
    """
    place = Place.of(settings, name, number, into)
    with tempfile.TemporaryDirectory() as scratch:
        origin = fetch_origin(settings, name, number, Path(scratch) / "package")
        with place.claimed(origin) as journal:
            kept = dataclasses.replace(origin, package=ModelPackage.read(place.registered))
            return _made_again(kept, settings, place, journal, console)


def _made_again(origin: Origin, settings: Settings, place: Place, journal: Journal, console: Console) -> Reproduction:
    def tell(sentence: str) -> None:
        console.print(Text(sentence), soft_wrap=True)

    tell(f"{origin.title} is made again from commit {origin.commit[:12]}, in {place.folder}.")
    workspace, root = Path.cwd(), check_out(origin, settings, place.repository)
    with inside(root, origin, settings):
        sources = find_sources(origin, workspace)
    require_restored(origin, settings, root, sources)
    python = interpreter_of(origin, root, tell)
    with inside(root, origin, settings) as own, exclusive(own), shown(console):
        journal = run_line(place, journal, sources, own, python)
    made = ModelPackage.read(root / PACKAGED)
    return Reproduction(
        name=origin.name,
        version=origin.version,
        commit=origin.commit,
        folder=str(place.folder),
        stages=journal.stages,
        surroundings=surroundings(origin.provenance, made.provenance),
        parts=compare(Pair.of(origin.package, made, root)),
    )
