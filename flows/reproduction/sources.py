"""The data that a version was made from: what its first stages read, and the champion that it was compared with.

What git does not hold is looked for in the workspace, and held against the digests of the version's dvc.lock. Where it
has changed since (images were added, say), the outputs of the stage that read it are taken from DVC's cache or remote.
The champion is never asked for again: the version must be compared with the one of then.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from components.contracts import CHAMPION, ChampionRef
from components.errors import LineageError, PackageError, RegistryError
from components.files import whole_folder
from components.lineage import code_tree, tree_digest
from components.package.model import LOCK
from components.registry import Registry
from components.settings import Settings
from flows.graph import Changes, File, Graph, open_graph
from flows.reproduction.commands import DVC, output_of, succeeds
from flows.reproduction.origin import Origin
from flows.why import GATHERED, REFRESHED

CODE = "components"
OF_THEN = {
    REFRESHED: "it is compared with the champion of then",
    GATHERED: "it is trained on what people had said until then",
}
"""Stages that ask the outside world, which has moved on."""


@dataclass(frozen=True)
class Sources:
    """What could be found of the data outside of the line.

    Attributes:
        stages: all of dvc.yaml, in the order in which they run.
        restored: those of them whose outputs are those of then, because what they read is not there any more; and why.
        missing: those of the restored ones whose outputs are not there either.
    """

    stages: tuple[str, ...]
    restored: Mapping[str, str]
    missing: tuple[str, ...]


def find_sources(origin: Origin, workspace: Path) -> Sources:
    """Brings the data into the clone, which is the working directory.

    Args:
        origin: the version.
        workspace: where its data may lie.

    Raises:
        LineageError: the code of the commit is not what dvc.lock says was run.
    """
    tracked = output_of("git", "ls-files", "--", "*.dvc", folder=Path(), what="Listing the files of DVC").splitlines()
    if tracked:
        succeeds(*DVC, "pull", *tracked, folder=Path())  # what it does not bring is looked for in the workspace
    for path in outside(read_lock(Path())):
        if not path.is_absolute() and ".." not in path.parts:
            link_missing(workspace / path, path)
    with open_graph() as graph:
        lost = {stage.name: _lost(origin, stage.name, graph) for stage in graph.stages}
        stages = tuple(stage.name for stage in graph.stages)
    restored = {stage: f"{', '.join(paths)} has changed since" for stage, paths in lost.items() if paths}
    restored |= {stage: reason for stage, reason in OF_THEN.items() if stage in stages}
    missing = tuple(stage for stage in restored if not succeeds(*DVC, "pull", stage, folder=Path()))
    return Sources(stages, restored, missing)


def read_lock(root: Path) -> dict[str, Any]:
    """The stages of dvc.lock."""
    stages: dict[str, Any] = YAML(typ="safe", pure=True).load(root / LOCK)["stages"]
    return stages


def outside(stages: Mapping[str, Any]) -> list[Path]:
    """What the stages of a dvc.lock read that none of them made, and that is no code."""
    made = [Path(out["path"]) for stage in stages.values() for out in stage.get("outs", [])]
    read = {Path(dependency["path"]) for stage in stages.values() for dependency in stage.get("deps", [])}
    return sorted(path for path in read if path.parts[0] != CODE and not _overlaps(path, made))


def _overlaps(path: Path, others: list[Path]) -> bool:
    return any(path.is_relative_to(other) or other.is_relative_to(path) for other in others)


def link_missing(source: Path, target: Path) -> None:
    """Gives each file of a file or folder that the target lacks a second name there; where that cannot be, a copy.

    A link of the file system, not a symbolic one: the stages find plain files.
    """
    for file in [source] if source.is_file() else _files(source):
        place = target / file.relative_to(source)
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(file.resolve(), place)
            except OSError:  # another file system, or one without such links
                shutil.copyfile(file, place)


def _files(folder: Path) -> Iterator[Path]:
    return (file for file in folder.rglob("*") if file.is_file())


def _lost(origin: Origin, stage: str, graph: Graph) -> list[str]:
    """The data of a stage that is not what dvc.lock says.

    Raises:
        LineageError: its code, command or parameters are not.
    """
    changes = graph.changes(stage)
    made = [Path(output) for one in graph.stages for output in one.outputs]
    foreign = [file for file in changes.dependencies if not _overlaps(Path(file.path), made)]
    unlike = list(_unlike(stage, changes, foreign))
    if unlike:
        raise LineageError(
            f"{origin.title} was not made by the code of commit {origin.commit[:12]}: by its dvc.lock, "
            f"{', '.join(unlike)} was another. What was run is in no commit, and cannot be reproduced."
        )
    return [file.path for file in foreign]


def _unlike(stage: str, changes: Changes, foreign: list[File]) -> Iterator[str]:
    if not changes.recorded:
        yield f"the graph (it has no stage {stage})"
    if changes.command:
        yield f"the command of {stage}"
    yield from (f"the parameter {parameter.place}" for parameter in changes.parameters)
    yield from (file.path for file in foreign if Path(file.path).parts[0] == CODE)


def require_restored(origin: Origin, settings: Settings, root: Path, sources: Sources) -> None:
    """Makes sure that what cannot be made again is there; a champion is also looked for in the workspace's registry.

    To be called in the workspace.

    Args:
        origin: the version.
        settings: where the registry is.
        root: of the clone.
        sources: what was found.

    Raises:
        LineageError: something is neither in DVC's cache nor in a remote.
    """
    for stage in sources.missing:
        if stage == REFRESHED:
            _register_champion(origin, settings, root)
            continue
        raise LineageError(
            f"{origin.title} cannot be reproduced: {sources.restored[stage]}, and what {stage} made of it then is "
            "neither in DVC's cache nor in a remote. Put back the data of then and try again."
        )


def _register_champion(origin: Origin, settings: Settings, root: Path) -> None:
    """Puts the champion that the version was compared with in its place, from the registry."""
    compared = origin.package.metrics()["champion"]
    version = compared and compared["version"]
    lost = f"the champion that it was compared with, version {version}, is not in DVC's cache, nor in a remote"
    try:
        with whole_folder(root / CHAMPION) as folder:
            if version is not None:
                Registry(settings, origin.name).download(version, folder / "package")
            ChampionRef(version=version).write(folder / "champion.json")
    except (RegistryError, PackageError) as error:
        raise LineageError(f"{origin.title} cannot be reproduced: {lost}, and: {error}") from None
    recorded = {out["path"]: out["md5"] for out in read_lock(root)[REFRESHED]["outs"]}
    if tree_digest(code_tree(root / CHAMPION)) != recorded[CHAMPION.as_posix()]:
        raise LineageError(f"{origin.title} cannot be reproduced: {lost}, and the registry's is another one by now.")
