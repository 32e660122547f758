"""Why each stage would run: which parameter, data, code file, output or stage before it; or that nothing changed."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from components.errors import GraphError
from components.lineage import code_tree
from flows.graph import Changes, File, Graph, Parameter, Stage

GATHERED = "feedback"
"""The stage that takes in what people have said: made anew by a run that was asked to, if they have said anything."""
REFRESHED = "champion"
"""The stage that asks the outside world: made anew at the start of every run that changes anything."""

Kind = Literal["never run", "parameter", "code", "data", "output", "command", "upstream", "refreshed"]
State = Literal["will run", "may run", "unchanged"]


@dataclass(frozen=True)
class Reason:
    """One reason, as a sentence and as its parts.

    Attributes:
        kind: what changed.
        subject: the parameter or path that it is about; the stage itself where it is about none.
        sentence: the reason in words.
        before: value in dvc.lock, of a parameter.
        after: value in params.yaml, of a parameter.
    """

    kind: Kind
    subject: str
    sentence: str
    before: Any = None
    after: Any = None


@dataclass(frozen=True)
class Explanation:
    """Whether a stage would run, and why.

    A stage that ``may run`` does so if its inputs come out differently, or the remote lacks what it made.
    """

    stage: str
    state: State
    reasons: tuple[Reason, ...]

    def as_json(self) -> dict[str, Any]:
        """The same as plain values."""
        return asdict(self)


def explain(graph: Graph, trees: Path) -> list[Explanation]:
    """Explains every stage, in the order of the graph.

    Args:
        graph: the open graph.
        trees: folder in which :func:`components.lineage.record_trees` keeps the listings of code folders.

    Raises:
        GraphError: the state of a stage cannot be read.
    """
    changes = {stage.name: graph.changes(stage.name) for stage in graph.stages}
    lacking = graph.lacking()
    line_changes = any(changed for name, changed in changes.items() if name not in lacking)
    told: dict[str, Explanation] = {}
    for stage in graph.stages:
        if stage.name in lacking:
            told[stage.name] = Explanation(stage.name, "may run", tuple(_pulled(changes[stage.name])))
            continue
        own = tuple(_own_reasons(stage, changes[stage.name], trees))
        if changes[stage.name] and not own:
            own = (_unexplained(stage),)
        if stage.name == REFRESHED and line_changes and not own:
            sentence = "The registry is asked again for its champion, because the line will run."
            own = (Reason("refreshed", stage.name, sentence),)
        inherited = tuple(_inherited(stage, told)) if changes[stage.name].recorded else ()
        told[stage.name] = Explanation(stage.name, _state(own, inherited), own + inherited)
    return list(told.values())


def only(stage: str | None, explanations: list[Explanation]) -> list[Explanation]:
    """The explanation of one stage; all of them where none is named.

    Raises:
        GraphError: dvc.yaml has no stage of that name.
    """
    if stage is None:
        return explanations
    chosen = [explanation for explanation in explanations if explanation.stage == stage]
    if not chosen:
        known = ", ".join(explanation.stage for explanation in explanations)
        raise GraphError(f"dvc.yaml has no stage '{stage}'. Its stages: {known}.")
    return chosen


def _state(own: tuple[Reason, ...], inherited: tuple[Reason, ...]) -> State:
    if own:
        return "will run"
    return "may run" if inherited else "unchanged"


def _inherited(stage: Stage, told: dict[str, Explanation]) -> Iterator[Reason]:
    for source, path in stage.upstream:
        if told[source].state != "unchanged":
            will = "will be made anew by" if told[source].state == "will run" else "may be made anew by"
            yield Reason("upstream", path, f"Its input {path} {will} {source}.")


def _own_reasons(stage: Stage, changes: Changes, trees: Path) -> Iterator[Reason]:
    if not changes:
        return
    if not changes.recorded:
        yield Reason("never run", stage.name, "It has never run to its end here: dvc.lock does not know it.")
        return
    if changes.command:
        yield Reason("command", stage.name, "Its command in dvc.yaml is another one.")
    if changes.always:
        yield Reason("command", stage.name, "dvc.yaml says that it always runs.")
    yield from (_parameter(one) for one in changes.parameters)
    for file in changes.dependencies:
        yield from _dependency(file, stage, trees)
    yield from (_output(file) for file in changes.outputs)


def _unexplained(stage: Stage) -> Reason:
    return Reason("command", stage.name, "DVC finds it changed; `dvc status` says how.")


def _parameter(one: Parameter) -> Reason:
    before, after = (json.dumps(value, ensure_ascii=False, default=str) for value in (one.before, one.after))
    sentence = {
        "new": f"Parameter {one.place} is new: {after}.",
        "gone": f"Parameter {one.place} is gone; it was {before}.",
        "modified": f"Parameter {one.place}: {before} → {after}.",
    }[one.status]
    return Reason("parameter", one.place, sentence, one.before, one.after)


def _dependency(file: File, stage: Stage, trees: Path) -> Iterator[Reason]:
    if Path(file.path).parts[0] == "components":
        yield from _code(file, trees)
        return
    source = next((name for name, path in stage.upstream if Path(file.path).is_relative_to(path)), None)
    origin = f", which {source} makes," if source else ""
    sentence = {
        "deleted": f"Data {file.path}{origin} does not exist.",
        "new": f"Data {file.path}{origin} was not among its inputs when it last ran.",
    }.get(file.status, f"Data {file.path}{origin} has changed since it last ran.")
    yield Reason("data", file.path, sentence)


def _code(file: File, trees: Path) -> Iterator[Reason]:
    """Names the changed files of a code folder, where its listing of the last run was kept."""
    path = Path(file.path)
    if file.status != "modified" or not path.is_dir():
        verb = {"deleted": "does not exist", "new": "is new among its inputs"}.get(file.status, "has changed")
        yield Reason("code", file.path, f"Code file {file.path} {verb}.")
        return
    kept = trees / f"{file.recorded}.json"
    if kept.is_file():
        yield from _tree_changes(path, json.loads(kept.read_text(encoding="utf-8")))
    else:
        rest = "which file cannot be told, because no listing of it was kept here when the stage last ran"
        yield Reason("code", file.path, f"Code in {file.path}/ has changed; {rest}.")


def _tree_changes(folder: Path, before: list[dict[str, str]]) -> Iterator[Reason]:
    was, now = ({entry["relpath"]: entry["md5"] for entry in tree} for tree in (before, code_tree(folder)))
    for name in sorted(was.keys() | now.keys()):
        if was.get(name) != now.get(name):
            verb = "is new" if name not in was else "is gone" if name not in now else "has changed"
            yield Reason("code", (folder / name).as_posix(), f"Code file {folder.as_posix()}/{name} {verb}.")


def _pulled(changes: Changes) -> Iterator[Reason]:
    for file in changes.outputs:
        sentence = f"Its output {file.path} is not here; 'tunesmith run' pulls it, if the remote has it."
        yield Reason("output", file.path, sentence)


def _output(file: File) -> Reason:
    sentence = {
        "deleted": f"Its output {file.path} is missing.",
        "not in cache": f"Its output {file.path} is no longer in DVC's cache.",
        "new": f"Output {file.path} was not among its outputs when it last ran.",
    }.get(file.status, f"Its output {file.path} was altered after it had made it.")
    return Reason("output", file.path, sentence)
