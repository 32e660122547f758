"""The graph of dvc.yaml, read through DVC: its stages, their order, and what of each has changed since it last ran.

Nothing about the graph is stated here. DVC is imported by this module, by :mod:`flows.remotes` and by
:mod:`flows.stage_reproduction`, and nowhere else.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from components.errors import GraphError

Edge = tuple[str, str]
ADVICE = " Clone the repository with git; or, in this folder, run `git init`, and `dvc init` if there is no .dvc."


@dataclass(frozen=True)
class Stage:
    """One stage of dvc.yaml.

    Attributes:
        name: as dvc.yaml calls it.
        description: its ``desc``, or nothing.
        upstream: the stages whose outputs it reads, with the output: (stage, path).
        outputs: the paths that it writes.
        tracked: the ``.dvc`` files whose data it reads.
    """

    name: str
    description: str
    upstream: tuple[Edge, ...]
    outputs: tuple[str, ...]
    tracked: tuple[str, ...]

    @property
    def waits_for(self) -> tuple[str, ...]:
        """The stages that must have ended before it begins."""
        return tuple(dict.fromkeys(name for name, _ in self.upstream))


@dataclass(frozen=True)
class Parameter:
    """A parameter that differs from dvc.lock.

    Attributes:
        place: where it stands in params.yaml, dotted.
        status: whether it is there for the first time, no longer, or with another value.
        before: the value in dvc.lock; None also where it has none.
        after: the value in params.yaml; None also where it has none.
    """

    place: str
    status: Literal["new", "gone", "modified"]
    before: Any
    after: Any


@dataclass(frozen=True)
class File:
    """A file or folder that differs from dvc.lock.

    Attributes:
        path: relative to the repository.
        status: DVC's word: modified, deleted, new, not in cache.
        recorded: its digest in dvc.lock; None: it has none there.
    """

    path: str
    status: str
    recorded: str | None


@dataclass(frozen=True)
class Changes:
    """How a stage differs from what dvc.lock says of its last run.

    Attributes:
        changed: DVC's verdict: whether the stage would run. The rest says why.
        recorded: whether dvc.lock knows the stage at all; where it does not, the rest is empty.
        parameters: those that differ.
        dependencies: those that differ.
        outputs: those that differ.
        command: whether its command in dvc.yaml is another one.
        always: whether dvc.yaml says that it always runs.
        absent: whether files that are not here, inputs or outputs, are all that differs.
    """

    changed: bool
    recorded: bool
    parameters: tuple[Parameter, ...] = ()
    dependencies: tuple[File, ...] = ()
    outputs: tuple[File, ...] = ()
    command: bool = False
    always: bool = False
    absent: bool = False

    def __bool__(self) -> bool:
        """Whether the stage would run."""
        return self.changed


class Graph:
    """dvc.yaml as it stands at the moment of opening; to be used by the thread that opened it.

    Attributes:
        stages: in an order in which each comes after all that it reads from; otherwise as in dvc.yaml.
        remote: the name of DVC's default remote, if there is one.
    """

    def __init__(self, repo: Any) -> None:
        from dvc.stage import PipelineStage

        self._repo = repo
        known = {one.addressing: one for one in repo.index.stages if isinstance(one, PipelineStage)}
        self._found: dict[str, Any] = {name: known[name] for name in _in_order(repo.index.graph, known)}
        self.stages = tuple(_stage(one, repo.index.graph, known) for one in self._found.values())
        self.remote: str | None = repo.config["core"].get("remote")

    def changes(self, name: str) -> Changes:
        """What of a stage has changed.

        Where a remote is named, a stage whose outputs are here is not changed by an input that is not: the remote may
        have what was made of data that only another machine has.

        Raises:
            GraphError: its dependencies cannot be read.
        """
        from dvc.dependency import ParamsDependency

        found = self._found[name]
        with telling():
            status = found.status().get(name, [])
            if not any(item.hash_info for item in (*found.deps, *found.outs)):
                return Changes(changed=bool(status), recorded=False)
            params = [dependency for dependency in found.deps if isinstance(dependency, ParamsDependency)]
            files = [dependency for dependency in found.deps if not isinstance(dependency, ParamsDependency)]
            outputs = tuple(_differing(found.outs, _section(status, "changed outs")))
            absent = bool(status) and not found.changed(allow_missing=True, upstream=self._below(found))
            return Changes(
                changed=bool(status) and not (self.remote and absent and not outputs),
                recorded=True,
                parameters=tuple(change for dependency in params for change in _parameters(dependency)),
                dependencies=tuple(_differing(files, _section(status, "changed deps"))),
                outputs=outputs,
                command=found.cmd_changed,
                always="always changed" in status,
                absent=absent,
            )

    def lacking(self) -> tuple[str, ...]:
        """The stages that would not run if their outputs were here; empty where no remote is named.

        Raises:
            GraphError: the dependencies of a stage cannot be read.
        """
        lacking, at_rest = [], set[str]()
        for stage in self.stages if self.remote else ():
            changes = self.changes(stage.name)
            if at_rest.issuperset(stage.waits_for) and (changes.absent or not changes):
                at_rest.add(stage.name)
                lacking += [stage.name] if changes.outputs else []
        return tuple(lacking)

    def _below(self, found: Any) -> list[Any]:
        return list(self._repo.index.graph.successors(found))


@contextlib.contextmanager
def open_graph(root: Path = Path()) -> Iterator[Graph]:
    """Opens the graph of a repository.

    Args:
        root: the folder of dvc.yaml; also the working directory.

    Raises:
        GraphError: the folder, its dvc.yaml or its dvc.lock cannot be read by DVC.
    """
    with telling():
        from dvc.repo import Repo

        with Repo(str(root), _wait_for_lock=True) as repo, repo.lock:
            yield Graph(repo)


@contextlib.contextmanager
def telling() -> Iterator[None]:
    """Makes sentences of the faults of DVC.

    Raises:
        GraphError: DVC raised something of its own.
    """
    from dvc.exceptions import DvcException, NotDvcRepoError
    from dvc.scm import SCMError

    try:
        yield
    except DvcException as error:
        advice = ADVICE if isinstance(error, NotDvcRepoError | SCMError) else ""
        raise GraphError(f"DVC cannot tell the state of this line: {reasons(error)}{advice}") from error


def reasons(error: BaseException) -> str:
    """What an error of DVC says, with what it says of its causes."""
    told = [str(error).strip()]
    while error.__cause__ is not None:
        error = error.__cause__
        told.append(str(error).strip())
    return ": ".join(dict.fromkeys(part.rstrip(".") for part in told if part)) + "."


def _in_order(graph: Any, known: dict[str, Any]) -> list[str]:
    import networkx

    place = {one: index for index, one in enumerate(known.values())}
    below = graph.subgraph(place).reverse()
    return [one.addressing for one in networkx.lexicographical_topological_sort(below, key=place.__getitem__)]


def _stage(found: Any, graph: Any, known: dict[str, Any]) -> Stage:
    below = list(graph.successors(found))
    sources = {one for one in below if one.addressing in known}
    upstream = (
        (source.addressing, _path(out))
        for dependency in found.deps
        for source in known.values()
        if source in sources
        for out in source.outs
        if _overlap(dependency, out)
    )
    return Stage(
        name=found.addressing,
        description=found.desc or "",
        upstream=tuple(dict.fromkeys(upstream)),
        outputs=tuple(_path(out) for out in found.outs),
        tracked=tuple(one.addressing for one in below if one not in sources),
    )


def _overlap(dependency: Any, out: Any) -> bool:
    one, other = Path(dependency.fs_path), Path(out.fs_path)
    return one.is_relative_to(other) or other.is_relative_to(one)


def _path(item: Any) -> str:
    return Path(item.fs_path).relative_to(item.repo.root_dir).as_posix()


def _section(status: Sequence[Any], title: str) -> dict[str, Any]:
    return next((entry[title] for entry in status if isinstance(entry, dict) and title in entry), {})


def _differing(items: Sequence[Any], status: dict[str, Any]) -> Iterator[File]:
    for item in items:
        if str(item) in status:
            recorded = item.hash_info.value
            new = recorded is None and status[str(item)] == "modified"
            yield File(_path(item), "new" if new else status[str(item)], recorded)


def _parameters(dependency: Any) -> Iterator[Parameter]:
    recorded, now = dependency.hash_info.value or {}, dependency.read_params()
    for section in dependency.params:
        before, after = (_leaves(values[section], section) if section in values else {} for values in (recorded, now))
        for place in dict.fromkeys((*before, *after)):
            if place not in before:
                yield Parameter(place, "new", None, after[place])
            elif place not in after:
                yield Parameter(place, "gone", before[place], None)
            elif before[place] != after[place]:
                yield Parameter(place, "modified", before[place], after[place])


def _leaves(value: Any, place: str) -> dict[str, Any]:
    if isinstance(value, dict) and value:
        return {leaf: inner for key, item in value.items() for leaf, inner in _leaves(item, f"{place}.{key}").items()}
    return {place: value}
